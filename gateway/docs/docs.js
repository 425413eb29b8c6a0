// Renders the platform's OpenAPI document. Everything is built from text nodes: nothing in the document can become markup.

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];

/** Make an element: attributes, then children (strings become text). */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function resolve(schema, api) {
  if (!schema?.$ref) return schema ?? {};
  return schema.$ref.slice(2).split("/").reduce((part, key) => part?.[key], api) ?? {};
}

/** The type of a schema in a few words: "array of Clip", "string (uuid) or null". */
function typeOf(schema, api) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants) return variants.map((variant) => typeOf(variant, api)).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `array of ${typeOf(schema.items, api) || "anything"}`;
  const name = Array.isArray(schema.type) ? schema.type.join(" or ") : (schema.type ?? "");
  return schema.format ? `${name} (${schema.format})` : name;
}

/** An example value of a schema, as deep as it is not recursive. */
function example(schema, api, seen = []) {
  if (schema?.$ref && seen.includes(schema.$ref)) return null;
  const path = schema?.$ref ? [...seen, schema.$ref] : seen;
  const plain = resolve(schema, api);
  if (plain.example !== undefined) return plain.example;
  if (plain.examples?.length) return plain.examples[0];
  if (plain.default !== undefined) return plain.default;
  if (plain.const !== undefined) return plain.const;
  if (plain.enum) return plain.enum[0];
  const variants = plain.anyOf ?? plain.oneOf;
  if (variants) return example(variants.find((variant) => variant.type !== "null") ?? variants[0], api, path);
  if (plain.allOf) return Object.assign({}, ...plain.allOf.map((part) => example(part, api, path)));
  const type = Array.isArray(plain.type) ? plain.type[0] : plain.type;
  if (type === "array") return plain.items ? [example(plain.items, api, path)] : [];
  if (type === "object" || plain.properties) {
    return Object.fromEntries(Object.entries(plain.properties ?? {}).map(([key, value]) => [key, example(value, api, path)]));
  }
  return { integer: plain.minimum ?? 0, number: plain.minimum ?? 0, boolean: false, string: plain.format ? `<${plain.format}>` : "…" }[type] ?? null;
}

function access(operation) {
  const ways = operation.security ?? [];
  if (ways.length === 0) return "No credentials";
  const scopes = ways.flatMap((way) => way.api_key ?? []);
  const needed = scopes.length ? `API key with scope “${scopes.join("”, “")}” or a session` : "Session or API key";
  return ways.some((way) => Object.keys(way).length === 0) ? `${needed}; also without either` : needed;
}

function parameters(operation, api) {
  const rows = (operation.parameters ?? []).map((given) => {
    const parameter = resolve(given, api);
    const facts = [typeOf(parameter.schema, api), parameter.required ? "required" : "", parameter.description ?? ""];
    return make("tr", {}, make("td", {}, make("code", {}, parameter.name), make("span", { class: "note" }, ` ${parameter.in}`)),
      make("td", {}, facts.filter(Boolean).join(", ")));
  });
  return rows.length ? [make("h3", {}, "Parameters"), make("table", {}, make("tbody", {}, ...rows))] : [];
}

function body(operation, api) {
  return Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, content]) => [
    make("h3", {}, `Body: ${type} ${typeOf(content.schema, api)}`),
    make("pre", {}, JSON.stringify(example(content.schema, api), null, 2)),
  ]);
}

function replies(operation, api) {
  const rows = Object.entries(operation.responses ?? {}).map(([status, given]) => {
    const reply = resolve(given, api);
    const cell = make("td", {}, reply.description ?? "");
    for (const [type, content] of Object.entries(reply.content ?? {})) {
      cell.append(make("div", { class: "note" }, `${type} ${typeOf(content.schema, api)}`));
      if (status !== "default" && type.includes("json") && content.schema && Object.keys(content.schema).length) {
        cell.append(make("pre", {}, JSON.stringify(example(content.schema, api), null, 2)));
      }
    }
    return make("tr", {}, make("td", {}, make("code", {}, status)), cell);
  });
  return [make("h3", {}, "Replies"), make("table", {}, make("tbody", {}, ...rows))];
}

function operationsOf(api) {
  return Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({
      path, method, operation: item[method], tag: item[method].tags?.[0] ?? "other",
      id: `${method}-${path.replace(/[^a-z0-9]+/gi, "-")}`,
    })));
}

function article({ path, method, operation, id }, api) {
  return make("article", { id },
    make("h2", {}, operation.summary ?? path),
    make("div", { class: "line" }, make("span", { class: `method ${method}` }, method.toUpperCase()), make("span", { class: "path" }, path)),
    operation.description ? make("p", {}, operation.description) : null,
    make("p", { class: "note" }, access(operation)),
    ...parameters(operation, api), ...body(operation, api), ...replies(operation, api));
}

function link({ path, method, id }) {
  return make("li", { "data-find": `${method} ${path}` },
    make("a", { href: `#${id}` }, make("span", { class: `method ${method}` }, method.toUpperCase()), make("span", {}, path.replace("/api/v1", ""))));
}

function render(api) {
  const all = operationsOf(api);
  const main = document.getElementById("operations");
  const contents = document.getElementById("contents");
  main.replaceChildren();
  if (api["x-missing"]?.length) main.append(make("p", { class: "missing" }, `Not running, so not shown: ${api["x-missing"].join(", ")}.`));
  for (const tag of new Set(all.map(({ tag }) => tag))) {
    contents.append(make("li", { class: "tag" }, tag), ...all.filter((one) => one.tag === tag).map(link));
    main.append(...all.filter((one) => one.tag === tag).map((one) => article(one, api)));
  }
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

function filter(event) {
  const words = event.target.value.toLowerCase().split(/\s+/);
  for (const item of document.querySelectorAll("[data-find]")) {
    item.hidden = !words.every((word) => item.dataset.find.toLowerCase().includes(word));
  }
}

async function start() {
  document.getElementById("filter").addEventListener("input", filter);
  const reply = await fetch("/api/v1/openapi.json");
  if (!reply.ok) throw new Error(`The document could not be read (${reply.status}).`);
  render(await reply.json());
}

start().catch((error) => document.getElementById("operations").replaceChildren(make("p", { role: "alert" }, error.message)));
