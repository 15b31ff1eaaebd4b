// Shows openapi.json with the bundled Swagger UI. That release reads OpenAPI 3.0 only; our document uses nothing of 3.1
// beyond the version text and "null" types, which it shows as they are.
"use strict";
fetch("openapi.json")
  .then((answer) => answer.json())
  .then((spec) => {
    spec.openapi = "3.0.3";
    SwaggerUIBundle({ spec: spec, dom_id: "#api", deepLinking: true, validatorUrl: null, defaultModelsExpandDepth: 0 });
  })
  .catch((error) => {
    document.getElementById("api").textContent = String(error);
  });
