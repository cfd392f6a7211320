import assert from "node:assert/strict";
import { test } from "node:test";
import { noPath } from "./web-address.ts";

test("addresses, commands and joined shards are told from paths, with how to fetch", () => {
  const cases: [string, RegExp][] = [
    ["https://example.com/cat.jpg", /^the web address https:.*; limn reads files .* img2dataset/],
    ["HTTP://example.com/{0..9}.tar", /img2dataset/],
    ["s3://bucket/a.tar", /aws s3 cp/],
    ["gs://bucket/a.tar", /gcloud storage cp/],
    ["hf://datasets/a/b/c.tar", /hf download --repo-type dataset/],
    ["file:///tmp/a.tar", /leave out file:$/],
    ["file:data/a.tar", /^the address file:data\/a\.tar; .* leave out file:$/],
    ["https:/example.com/a.tar", /^the web address https:/],
    ["~/data/a.tar", /^the path ~\/data\/a\.tar; limn does not expand "~"/],
    ["data:image/png;base64,AAAA", /write the picture to a file first/],
    ["weird+x://host/a", /fetch it first$/],
    ["pipe:curl -s https://example.com/a.tar", /^the command "pipe:curl .*runs nothing/],
    ["a.tar::b.tar", /joins shards by a list or by braces/],
    [
      `https://example.com/${"x".repeat(500)}`,
      /^the web address https:\/\/example\.com\/x{57}\.\.\.;/,
    ],
  ];
  for (const [text, message] of cases) assert.match(noPath(text) ?? "", message);
  for (const path of [
    "a.tar",
    "C:\\data\\a.tar",
    "a:b/c.jpg",
    "/x//y",
    "data/a.jpg",
    "",
    "a b: c",
    "~a/b.tar",
    "https",
  ]) {
    assert.equal(noPath(path), undefined, path);
  }
});
