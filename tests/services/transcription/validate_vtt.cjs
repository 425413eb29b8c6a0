// Reads a JSON list of WebVTT files and prints, for each, what the W3C's validator has to say.
const { readFileSync } = require("node:fs");
const { WebVTTParser } = require("webvtt-parser");
const entities = require("webvtt-parser/html-entities.json");

const parser = new WebVTTParser(entities);
const files = JSON.parse(readFileSync(0, "utf8"));
const verdicts = files.map((file) => {
  const { cues, errors } = parser.parse(file, "subtitles");
  return { cues: cues.length, errors: errors.map(({ line, message }) => `line ${line}: ${message}`) };
});
console.log(JSON.stringify(verdicts));
