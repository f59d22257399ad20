// Validates state machines: one JSON text per line in, one list of errors per line out.
const validate = require("asl-validator");
const readline = require("readline");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  // It takes an empty text and null in `Assign` for missing members, which Step Functions does not.
  const definition = JSON.parse(line, (_, value) => (value === null || value === "" ? "any" : value));
  const { errors } = validate(definition, { checkPaths: true, checkArn: true });
  console.log(JSON.stringify(errors.map((error) => `${error["Error code"]}: ${error.Message ?? ""}`)));
});
