// A real OpenID Connect provider, whose answers can be bent: one line of JSON on stdin says how from then on.
// Prints its address once it listens, and "ok" for each line that it took.
import { createHmac } from 'node:crypto';
import { createInterface } from 'node:readline';
import { OAuth2Server } from 'oauth2-mock-server';

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
await server.start(0, '127.0.0.1');
// The name that it signs with is the one that it is asked by.
server.issuer.url = `http://127.0.0.1:${server.address().port}`;

let how = { claims: {} };
let payload = {};

server.service.on('beforeTokenSigning', (token) => {
  Object.assign(token.payload, how.claims);
  for (const name of how.without ?? []) delete token.payload[name];
  payload = { ...token.payload };
});

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

server.service.on('beforeResponse', (response) => {
  if (!how.alg || !response.body.id_token) return;
  const [header, body, signature] = response.body.id_token.split('.');
  if (how.alg === 'none') response.body.id_token = `${encoded({ alg: 'none', typ: 'JWT' })}.${body}.`;
  if (how.alg === 'HS256') {
    // Signed with what everybody knows: the public key, taken for a shared secret.
    const known = JSON.stringify(server.issuer.keys.toJSON()[0]);
    const head = encoded({ alg: 'HS256', typ: 'JWT' });
    response.body.id_token = `${head}.${body}.${createHmac('sha256', known).update(`${head}.${body}`).digest('base64url')}`;
  }
  if (how.alg === 'tampered') {
    response.body.id_token = `${header}.${encoded({ ...payload, sub: 'somebody-else' })}.${signature}`;
  }
});

server.service.on('beforeUserinfo', (response) => {
  response.body = how.userinfo ?? { sub: payload.sub };
});

server.service.on('beforeAuthorizeRedirect', (redirect) => {
  for (const [name, value] of Object.entries(how.answer ?? {})) redirect.url.searchParams.set(name, value);
});

console.log(server.issuer.url);
for await (const line of createInterface({ input: process.stdin })) {
  how = JSON.parse(line);
  if (how.rotate) {
    await server.issuer.keys.generate('RS256');
  }
  console.log('ok');
}
await server.stop();
