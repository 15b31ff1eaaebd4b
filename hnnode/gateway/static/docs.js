// Shows openapi.json with the bundled Swagger UI, in Chinese when asked for or when the browser prefers it. That release
// reads OpenAPI 3.0 only; our document uses nothing of 3.1 beyond the version text and "null" types, which it shows as they are.
"use strict";
const asked = new URLSearchParams(location.search).get("language") || navigator.language;
const chinese = asked.toLowerCase().startsWith("zh");

function inChinese(spec, words) {
  spec.info.description = words.description;
  for (const [path, methods] of Object.entries(spec.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const [summary, description] = words.operations[`${method.toUpperCase()} ${path}`] || [];
      operation.summary = summary || operation.summary;
      operation.description = description || operation.description;
      operation.tags = (operation.tags || []).map((tag) => words.tags[tag] || tag);
    }
  }
}

async function show() {
  document.documentElement.lang = chinese ? "zh" : "en";
  const spec = await (await fetch("openapi.json")).json();
  if (chinese) inChinese(spec, await (await fetch("docs/zh.json")).json());
  spec.openapi = "3.0.3";
  SwaggerUIBundle({ spec: spec, dom_id: "#api", deepLinking: true, validatorUrl: null, defaultModelsExpandDepth: 0 });
}

show().catch((error) => {
  document.getElementById("api").textContent = String(error);
});
