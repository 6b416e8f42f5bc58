// docs/api/openapi.yaml as a judge of both sides: what the front end sends and what the test peer answers.
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { parse } from "yaml";

const text = readFileSync(new URL("../../docs/api/openapi.yaml", import.meta.url), "utf8");
const description = parse(text);
const ajv = new Ajv2020({ strict: false, allErrors: false });
addFormats(ajv);
ajv.addSchema(description, "api");

const routes = Object.entries(description.paths).map(([path, operations]) => ({
  path,
  pattern: new RegExp(`^${path.replace(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`),
  operations,
}));

// Returns { operation, parameters } of the description, or null.
export function findOperation(method, path) {
  for (const route of routes) {
    const match = route.pattern.exec(path);
    const operation = match && route.operations[method.toLowerCase()];
    if (operation) return { operation, method: method.toLowerCase(), path: route.path, parameters: { ...match.groups } };
  }
  return null;
}

const escaped = (part) => part.replaceAll("~", "~0").replaceAll("/", "~1");

function check(pointer, value) {
  const validate = ajv.getSchema(`api#${pointer}`) ?? ajv.compile({ $ref: `api#${pointer}` });
  return validate(value) ? null : ajv.errorsText(validate.errors);
}

// Each returns null, or what is wrong.
export function checkRequest(found, body) {
  if (!found.operation.requestBody) return null;
  return check(`/paths/${escaped(found.path)}/${found.method}/requestBody/content/application~1json/schema`, body);
}

export function checkAnswer(found, status, body) {
  const responses = found.operation.responses;
  if (status >= 400) return check("/components/schemas/Problem", body);
  const response = responses[String(status)];
  if (!response) return `status ${status} is not described`;
  if (response.$ref) return check(`${response.$ref.slice(1)}/content/application~1json/schema`, body);
  if (!response.content) return body === undefined ? null : "a body where none is described";
  return check(`/paths/${escaped(found.path)}/${found.method}/responses/${status}/content/application~1json/schema`, body);
}

export const checkSchema = (name, value) => check(`/components/schemas/${name}`, value);
