/** libtorch's own words for a failure, as far as they are for its users. */

const rewrites: readonly [pattern: RegExp, words: string][] = [
  // A list of every kernel of the operator with the source line that registered it.
  [
    /^Could not run '([^']*)' (?:with arguments )?from the '([^']*)' (?:backend|device)\.[^]*/,
    "libtorch has no $1 for $2 tensors",
  ],
  [/^\[enforce fail at [^\]]*\].*?\. (?=DefaultCPUAllocator)(?:DefaultCPUAllocator: )?/, ""],
  [
    / ?INTERNAL ASSERT FAILED at "[^"]*":\d+, please report a bug to PyTorch\. ?/,
    " libtorch's own check failed. ",
  ],
  [/(?:limn::)?\(anonymous namespace\)::JavaScriptNode/, "of customGradient()"],
  [/^std::bad_alloc$/, "not enough memory"],
  [/\s*Exception raised from [^]*$/, ""],
];

/** The reason without source files, lines of C++ and advice for libtorch's developers. */
export function reasonOf(message: string): string {
  let reason = message;
  for (const [pattern, words] of rewrites) reason = reason.replace(pattern, words);
  return reason.trim();
}
