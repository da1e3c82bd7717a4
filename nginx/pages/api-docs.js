// Of a file, since the policy of this page allows no inline script.
window.SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  // By default Swagger UI asks its project's validator about the document.
  validatorUrl: null,
  // Tokens stay in memory: a reload asks for them again.
  persistAuthorization: false,
  tryItOutEnabled: true,
  docExpansion: 'none',
  defaultModelsExpandDepth: 0,
});
