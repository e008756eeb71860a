// Renders the OpenAPI document of this node. All text goes in as text, never as markup.
"use strict";

const DOCUMENT = "/api/v1/openapi.json";
const METHODS = ["get", "post"];
// How deep shapes are unfolded: those of this interface end earlier, and no document can make the page run for ever.
const DEPTH_MAX = 8;
const SHOWN_CHARACTERS_MAX = 100000;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function resolve(api, schema) {
  if (!schema || !schema.$ref) return schema;
  const parts = schema.$ref.replace(/^#\//, "").split("/");
  return parts.reduce((value, part) => (value ? value[part] : undefined), api);
}

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.oneOf) return schema.oneOf.map(typeOf).join(" or ");
  const type = [].concat(schema.type || []).join(" or ");
  return schema.items ? `${type} of ${typeOf(schema.items)}` : type;
}

function fields(api, schema, prefix, depth, rows) {
  const shape = resolve(api, schema);
  if (!shape || depth > DEPTH_MAX) return rows;
  for (const each of shape.oneOf || []) fields(api, each, prefix, depth + 1, rows);
  if (shape.items) fields(api, shape.items, `${prefix}[]`, depth + 1, rows);
  for (const [name, inner] of Object.entries(shape.properties || {})) {
    const path = prefix ? `${prefix}.${name}` : name;
    const described = inner.description || (inner.enum || []).join(", ");
    rows.push([path, typeOf(inner), described]);
    fields(api, inner, path, depth + 1, rows);
  }
  return rows;
}

function table(head, rows) {
  const cells = (kind, row) => element("tr", {}, ...row.map((text) => element(kind, {}, String(text || ""))));
  return element("table", {}, element("thead", {}, cells("th", head)), element("tbody", {}, ...rows.map((row) => cells("td", row))));
}

async function ask(path, inputs, output) {
  const query = new URLSearchParams();
  let target = path;
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value) query.set(parameter.name, input.value);
  }
  if (query.size) target += `?${query}`;
  output.textContent = `GET ${target}`;
  try {
    const answer = await fetch(target, { cache: "no-store" });
    const kind = answer.headers.get("content-type") || "";
    let text;
    if (kind.includes("json")) text = JSON.stringify(await answer.json(), null, 2);
    else if (kind.startsWith("text/")) text = await answer.text();
    else text = Array.from(new Uint8Array(await answer.arrayBuffer()), (byte) => byte.toString(16).padStart(2, "0")).join("");
    output.textContent = `GET ${target}\n${answer.status} ${kind}\n\n${text.slice(0, SHOWN_CHARACTERS_MAX)}`;
  } catch (error) {
    output.textContent = `GET ${target}\n${error}`;
  }
}

function trial(path, parameters) {
  const inputs = parameters.map((parameter) => ({ parameter, input: element("input", { name: parameter.name }) }));
  const output = element("pre", { hidden: "" });
  const button = element("button", { type: "button" }, "Ask this node");
  button.addEventListener("click", () => {
    output.hidden = false;
    ask(path, inputs, output);
  });
  const labels = inputs.map(({ parameter, input }) => element("label", {}, element("code", {}, parameter.name), " ", input));
  return element("div", {}, ...labels, button, output);
}

function operation(api, path, method, described) {
  const parts = [];
  if (described.description) parts.push(element("p", {}, described.description));
  const parameters = described.parameters || [];
  if (parameters.length) {
    const rows = parameters.map((each) => [each.name, `${each.in}${each.required ? "" : ", optional"}`, each.description]);
    parts.push(table(["Parameter", "In", ""], rows));
  }
  if (described.requestBody) {
    const kinds = Object.keys(described.requestBody.content || {}).join(" or ");
    parts.push(element("p", {}, `Body (${kinds}): ${described.requestBody.description || ""}`));
  }
  for (const [status, response] of Object.entries(described.responses || {})) {
    for (const [kind, content] of Object.entries(response.content || {})) {
      parts.push(element("p", {}, `${status}: ${response.description || ""} `, element("code", {}, kind), ` ${typeOf(content.schema)}`));
      const rows = fields(api, content.schema, "", 0, []);
      if (rows.length) parts.push(table(["Field", "Type", ""], rows));
    }
  }
  if (method === "get") parts.push(trial(path, parameters));
  const summary = element(
    "summary", {},
    element("span", { class: `method ${method}` }, method), " ",
    element("code", { class: "path" }, path), " ",
    element("span", { class: "text" }, described.summary || ""),
  );
  const text = [path, described.summary, described.description, ...(described.tags || [])].join(" ").toLowerCase();
  return element("details", { "data-text": text }, summary, ...parts);
}

function render(api) {
  const content = document.getElementById("content");
  document.getElementById("title").textContent = api.info.title;
  document.getElementById("version").textContent = `version ${api.info.version}`;
  const paragraphs = (api.info.description || "").split("\n\n").map((text) => element("p", {}, text));
  const sections = (api.tags || []).map((tag) => {
    const all = [];
    for (const [path, item] of Object.entries(api.paths)) {
      for (const method of METHODS) {
        const described = item[method];
        if (described && (described.tags || []).includes(tag.name)) all.push(operation(api, path, method, described));
      }
    }
    return element("section", {}, element("h2", {}, tag.name), element("p", {}, tag.description || ""), ...all);
  });
  content.replaceChildren(...paragraphs, ...sections);
}

document.getElementById("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const section of document.querySelectorAll("section")) {
    const all = [...section.querySelectorAll("details")];
    for (const each of all) each.hidden = !each.dataset.text.includes(wanted);
    section.hidden = all.every((each) => each.hidden);
  }
});

fetch(DOCUMENT)
  .then((answer) => answer.json())
  .then(render)
  .catch((error) => {
    document.getElementById("content").textContent = `The document could not be read: ${error}`;
  });
