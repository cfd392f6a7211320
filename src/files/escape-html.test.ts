import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { escapeHtml } from "./escape-html.ts";

describe("escapeHtml", () => {
  it("escapes for text and attributes, and drops what HTML and XML forbid", () => {
    assert.equal(escapeHtml(`<a href="x">'&'`), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;");
    assert.equal(escapeHtml("a\u0000b\u001b[K\tc\n\ud800 😀"), "a\ufffdb\ufffd[K\tc\n\ufffd 😀");
    assert.equal(escapeHtml("\ufffe\uffff\u007f"), "\ufffd\ufffd\ufffd");
  });
});
