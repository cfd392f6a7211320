/** The flags of what a model's files may leave open, where they are not called as in the library. */
export const factFlags: Readonly<Record<string, string>> = {
  evaluationTransform: "preprocessing",
  contextLength: "context-length",
};
