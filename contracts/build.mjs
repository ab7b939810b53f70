// Compiles contracts/ and demo/contracts/ with the solc of node_modules into artifacts that are checked in, so that
// nobody who only runs the oracle needs Node or a compiler. `--check` compiles into memory and compares.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const solc = createRequire(import.meta.url)("solc");
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const check = process.argv.includes("--check");
const EIP170 = 24_576;
// Not viaIR: it makes pushes 0.8 % cheaper and reads, which every consumer pays, up to 5 % dearer.
const settings = {
  evmVersion: "cancun",
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: false,
};
const outputSelection = {
  "*": {
    "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences"],
    "": ["ast"],
  },
};

const sources = (folder) => {
  if (!fs.existsSync(path.join(root, folder))) return [];
  const found = fs.readdirSync(path.join(root, folder), { recursive: true }).map(String);
  return found.filter((f) => f.endsWith(".sol")).sort().map((f) => path.posix.join(folder, f.split(path.sep).join("/")));
};

const read = (file) => fs.readFileSync(path.join(root, file), "utf8");

const ordered = (value) => {
  if (Array.isArray(value)) return value.map(ordered);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((k) => [k, ordered(value[k])]));
};

function output(files) {
  const content = Object.fromEntries(files.map((f) => [f, { content: read(f) }]));
  const input = { language: "Solidity", sources: content, settings: { ...settings, outputSelection } };
  const made = JSON.parse(solc.compile(JSON.stringify(input)));
  const trouble = (made.errors ?? []).filter((e) => e.severity !== "info");
  for (const e of trouble) console.error(e.formattedMessage);
  if (trouble.length) process.exit(1);
  return made;
}

// Names of the immutables by the compiler's number for them. A number changes when any file is added, a name does not.
function immutables(made) {
  const names = {};
  const walk = (node) => {
    if (node === null || typeof node !== "object") return;
    if (node.nodeType === "VariableDeclaration" && node.mutability === "immutable") names[node.id] = node.name;
    Object.values(node).forEach(walk);
  };
  Object.values(made.sources).forEach((s) => walk(s.ast));
  return names;
}

// Of an interface or an abstract contract: only the ABI.
function artifact(name, source, made, names) {
  const base = { abi: made.abi, compiler: solc.version(), name, settings, source };
  const runtime = made.evm.deployedBytecode.object;
  if (!runtime) return base;
  const size = runtime.length / 2;
  if (size > EIP170) throw new Error(`${name}: ${size} bytes are more than the ${EIP170} that a chain takes`);
  console.log(`${name.padEnd(16)} ${size} bytes`);
  const found = Object.entries(made.evm.deployedBytecode.immutableReferences ?? {});
  const immutableReferences = Object.fromEntries(found.map(([id, places]) => [names[id], places]));
  return { ...base, bytecode: `0x${made.evm.bytecode.object}`, immutableReferences, runtime: `0x${runtime}` };
}

function compile(folder) {
  const files = sources(folder);
  if (!files.length) return {};
  const made = output(files);
  const names = immutables(made);
  const found = {};
  for (const file of files) {
    for (const [name, one] of Object.entries(made.contracts[file] ?? {})) {
      if (name in found) throw new Error(`${name} is in ${found[name].source} and in ${file}: an artifact has one name`);
      found[name] = artifact(name, file, one, names);
    }
  }
  return found;
}

const text = (value) => `${JSON.stringify(ordered(value), null, 2)}\n`;

// What differs between an artifact that is there (undefined: none) and one that was made (undefined: no source).
function difference(there, made) {
  if (there === made) return null;
  if (there === undefined) return "is missing";
  if (made === undefined) return "has no source";
  const [a, b] = [there, made].map((t) => JSON.parse(t));
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  const other = keys.filter((k) => JSON.stringify(a[k]) !== JSON.stringify(b[k]));
  return `differs from its source in ${other.join(", ") || "its layout"}`;
}

function settle(file, made) {
  const full = path.join(root, file);
  const there = fs.existsSync(full) ? fs.readFileSync(full, "utf8") : undefined;
  const found = difference(there, made);
  if (found === null) return 0;
  if (check) console.error(`${file} ${found}: run make artifacts`);
  else if (made === undefined) fs.unlinkSync(full);
  else fs.writeFileSync(full, made);
  return 1;
}

let differences = 0;
for (const folder of ["contracts", "demo/contracts"]) {
  const out = path.posix.join(folder.split("/")[0], "artifacts");
  const made = compile(folder);
  fs.mkdirSync(path.join(root, out), { recursive: true });
  const there = fs.readdirSync(path.join(root, out)).filter((f) => f.endsWith(".json")).map((f) => f.slice(0, -5));
  for (const name of [...new Set([...there, ...Object.keys(made)])].sort()) {
    differences += settle(path.posix.join(out, `${name}.json`), name in made ? text(made[name]) : undefined);
  }
}
if (check && differences) process.exit(1);
