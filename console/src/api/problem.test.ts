import { describe, expect, it } from "vitest";

import { ApiError, problemOf, readProblem } from "./problem";

const body = {
  type: "about:blank",
  title: "Conflict",
  status: 409,
  detail: "Version 3 is there already: push the next one.",
  code: "version_exists",
};

describe("readProblem", () => {
  it("keeps what the API says", () => {
    expect(readProblem(409, body)).toEqual({
      title: "Conflict",
      status: 409,
      detail: body.detail,
      code: "version_exists",
    });
  });

  it.each([null, undefined, "<html>Bad gateway</html>", 7, [], { title: 3 }])(
    "says something of %j too",
    (answered) => {
      const problem = readProblem(502, answered);
      expect(problem.status).toBe(502);
      expect(problem.detail).toContain("502");
    },
  );
});

describe("problemOf", () => {
  it("finds the problem behind what was thrown", () => {
    expect(problemOf(new ApiError(readProblem(409, body))).code).toBe("version_exists");
    expect(problemOf(new TypeError("Failed to fetch")).code).toBe("unreachable");
    expect(problemOf(new Error("a bug")).detail).toBe("a bug");
    expect(problemOf("text").detail).toBe("text");
  });
});
