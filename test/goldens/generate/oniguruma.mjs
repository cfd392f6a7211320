/**
 * What `@huggingface/tokenizers` 0.2.0 makes of regular expressions in Oniguruma's dialect: where they match
 * in a few texts, or that it refuses them. First: npm install --no-save @huggingface/tokenizers@0.2.0
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";

// By a variable: it is no dependency.
const reference = "@huggingface/tokenizers";
const { SplitPreTokenizer } = await import(reference);

/** Of published tokenizers, and others of their kind. */
const published = [
 "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", "\\s+",
 "'s|'t|'re|'ve|'m|'ll|'d|\\p{L}[\\p{L}\\p{M}]*|\\p{N}|[^\\s\\p{L}\\p{N}]+",
 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
 "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
 "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
 "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
 " ?[^(\\s|[.,!?…。，、।۔،])]+", "\\d{3}", "\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
 "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
 "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
 "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}",
 "(?<=\\d)(?=(\\d{3})+$)", " {2,}", "^\\s+|\\s+$", "[\\w']+|[^\\w\\s]", "\\b\\w+\\b", "\\A▁*", "[[:alpha:]]+|[[:^punct:]]", "[[:space:][:digit:]a-f]+", "``|''", "[\\x{20}-\\x{7e}]+", "\\h+", "[^\\h]+", "(?>a+b|c)d?", "a{,2}b", "x{2}+", "x{2,3}*y", "[]a]+", "[^]a]+", "[a-]+", "[-a]+", "[a\\-z]+", "[+--]", "[\\s&&[^\\n]]+", "{a}", "a{1", "}", "]", "(?<name>a)b", "\\G\\w", "\\p{Word}+|\\P{Word}", "[\\P{Word}_]+", "(?i:[a-c]x|[^q])", "(?i:\\x41\\x{62})", "$a", ".", "\\'\\-\\/\\@", "[\\W\\d]+", "\\v|\\f|\\e|\\a", "[#-%]", "é|漢", "[😀-😂]+", "\\Z",
];

/** What they are not, and what is hard to read. */
const hostile = ["[", "[]", "[^]", "[a", "\\", "[\\", "(", ")", "(?", "*", "a**", "a++", "a?+", "a*?", "a+?", "[z-a]", "[a-\\d]", "[\\d-a]", "[\\d-]", "[a&&]", "[&&a]", "[a&&b&&c]", "[^a-z&&[^m]]", "[^\\w&&[^\\d]]", "[[:foo:]]", "[[:^:]]", "[[.a.]]", "[[=a=]]", "[[:alpha:]-z]", "(?i)a", "(?x: a)", "(?#c)a", "\\1", "(a)\\1", "\\k<n>", "(?<n>a)\\k<n>", "\\p{Nope}", "\\p{^L}", "\\p{L", "\\pL", "\\q", "[\\q{ab}]", "\\Q", "\\X", "\\R", "\\K", "[\\b]", "[\\B]", "[\\A]", "[\\0]", "\\0", "\\x", "\\x4", "\\u12", "\\x{110000}", "\\cA", "[\\cA-\\cC]", "[a--b]", "[a-c-e]", "[a-b-]", "[]-a]", "[a]]", "a{2,1}", "(?=a)*", "(?<=a)+", "\\b+", "^*", "(?i:\\p{Lu})", "(?i:[[:^lower:]])", "(?i:[[:upper:]])", "[a[b[c]]]", "[a[^b]]", "[^a[^b]]", "(?i:[a[B]])", "[&]", "[a&b]", "[!!]", "[a||b]", "[(a)]", "[{}]", "[/]", "\n", "\\\n", "[\\\n]", "(?<1>a)", "(?<n>a)(?<n>b)", "(?P<n>a)", "|", "||", "a|*", "(|a)", "\\p{Script=Han}", "\\p{Greek}", "\\P{Han}", "\\p{RGI_Emoji}", "[\\p{RGI_Emoji}]", "\\p{ASCII}", "\\p{Any}", "[\\p{Alphabetic}&&\\p{ASCII}]", "\\ud83d\\ude00", "[\\ud83d\\ude00]", "\ud83d", "a{0}", "a{,}", "{2}", "(a){2}+b", "[[a-z]&&[^aeiou]&&[a-m]]", "[^^]", "[\\^a]", "[$.]", "\\p{Word}", "\\p{word}","(?~a)", "(?i:a(?:B)c)d", "(?i:a|(?>B))", "(?i:[^a])"];

/** What random expressions are made of. */
const alphabet = ["a","b","Z","0","9"," ","\\s","\\w","\\W","\\d","\\D","\\h","\\H","\\b","\\p{L}","\\P{N}","\\p{Han}","[","]","[^","-","&&","(",")","(?:","(?i:","(?=","(?!","(?<=","|","*","+","?","{2}","{1,}","{,3}","^","$",".","[:alpha:]","[:^digit:]","\\x41","\\x{e9}","\\n","\\]","\\-","'","&","é","漢","_","\\S","\\e","!","/","{","}"];

let state = 7;
/** @param {number} below */
function draw(below) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}
const random = Array.from({ length: 600 }, () =>
  Array.from({ length: 1 + draw(9) }, () => alphabet[draw(alphabet.length)]).join(""),
).filter((source) => !/\)(?:[*+]|\{)/.test(source) && (source.match(/[*+]|\{\d*,/g) ?? []).length < 3);

let every = "";
for (let code = 1; code < 0x3100; code += 61) every += String.fromCharCode(code);
const texts = [
  "",
  "Hello WORLD it's I'LL  42 1234567 don't\n\n x\r\ny  ",
  "aab bAx xxx xx y 漢字かなカナ é É _a-b&c|d [a] {b} (c) 'S '' 😀😁\ufeff\u0085\u2028",
  "A-Za-z0!/\\^$.*+?",
  every,
];

/** @param {string} source */
function expected(source) {
  try {
    const config = { type: "Split", pattern: { Regex: source }, behavior: "Isolated", invert: false };
    const expression = new RegExp(new SplitPreTokenizer(config).pattern.source, "gu");
    return texts.map((text) =>
      [...text.matchAll(expression)].flatMap(({ index, 0: { length } }) => [index, length]),
    );
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}

const golden = {
  source: reference,
  version: "0.2.0",
  command: "node test/goldens/generate/oniguruma.mjs",
  texts,
  patterns: [...published, ...hostile, ...random].map((source) => [source, expected(source)]),
};
const file = path.join(import.meta.dirname, "..", "oniguruma.json.gz");
writeFileSync(file, gzipSync(`${JSON.stringify(golden)}\n`, { level: 9 }));
