/**
 * Checks that a release can be made, and tags it. The tag starts the workflow
 * `release.yml`, which publishes to JSR and builds the programs.
 *
 * ```sh
 * deno task release --dry-run   # shows what would happen
 * deno task release             # tags, and says how to push the tag
 * deno task release --notes     # prints the release notes
 * ```
 *
 * The version is the one in `deno.json`, and nowhere else.
 *
 * @module
 */

import { binaryName, TARGETS } from "./binaries.ts";
import { packageConfig, packageFiles } from "./package.ts";
import { components } from "./sbom.ts";

const ROOT = new URL("../", import.meta.url);
const { name, version } = packageConfig();
const TAG = `v${version}`;

/** What follows the section of the changelog in the release notes. */
const INSTALLING = `Installing on the day of the release: Deno 2.9 and newer ` +
  `take no version younger than 24 hours, and say that there are "only ` +
  `pre-release versions". Wait a day, or add \`--minimum-dependency-age=0\` ` +
  `to \`deno add\` or \`deno install\`.`;

/** Something that must be so before a release. */
interface Check {
  readonly name: string;
  /** What is wrong; nothing if it is as it must be. */
  readonly problem: string | undefined;
}

/** The section of a version in the changelog, without its heading. */
export function changelogSection(
  changelog: string,
  version: string,
): string | undefined {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.split(/\s/, 1)[0] === version);
  return section?.slice(section.indexOf("\n")).trim();
}

/** The release notes. */
export function releaseNotes(changelog: string): string {
  const section = changelogSection(changelog, version) ?? "";
  return `${section}\n\n${INSTALLING}\n`;
}

async function check(changelog: string): Promise<Check[]> {
  const heading = new RegExp(
    `^## ${version.replaceAll(".", "\\.")} \\(\\d{4}-\\d\\d-\\d\\d\\)$`,
    "m",
  );
  const [status, branch, tag, publish] = [
    await output("git", "status", "--porcelain"),
    await output("git", "branch", "--show-current"),
    await output("git", "tag", "--list", TAG),
    await output(
      Deno.execPath(),
      "publish",
      "--dry-run",
      "--allow-dirty",
      "--quiet",
      "--no-check", // the workflow runs `deno task test` before it publishes
    ),
  ];
  return [
    {
      name: "the working tree is clean",
      problem: status.text === "" ? undefined : "there are changes to commit",
    },
    {
      name: "the branch is main",
      problem: branch.text === "main" ? undefined : `it is ${branch.text}`,
    },
    {
      name: `the tag ${TAG} is new`,
      problem: tag.text === "" ? undefined : "raise the version in deno.json",
    },
    {
      name: `CHANGELOG.md has "## ${version} (YYYY-MM-DD)"`,
      problem: heading.test(changelog) ? undefined : "write it",
    },
    {
      name: "deno publish --dry-run",
      problem: publish.success ? undefined : publish.errors,
    },
  ];
}

async function describe(changelog: string): Promise<string> {
  const files = await packageFiles();
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const parts = await components();
  return [
    `Package ${name}@${version}: ${files.length + 1} files, ` +
    `${Math.round(size / 1024)} KiB`,
    ...[...countByFolder(files)].map(([folder, count]) =>
      `  ${folder}${count > 1 ? ` (${count} files)` : ""}`
    ),
    "",
    "Programs, with SHA256SUMS and ws-stream.cdx.json:",
    ...TARGETS.map((target) => `  ${binaryName(target)}`),
    "",
    "Inside the program:",
    ...parts.map(({ purl }) => `  ${purl}`),
    "",
    "Release notes:",
    ...releaseNotes(changelog).trim().split("\n")
      .map((line) => `  ${line}`.trimEnd()),
  ].join("\n");
}

function countByFolder(
  files: readonly { readonly path: string }[],
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { path } of files) {
    const folder = path.split("/").slice(0, -1).slice(0, 2).join("/");
    const key = folder === "" ? path : `${folder}/`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

async function output(command: string, ...args: string[]) {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd: ROOT,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return {
    success,
    text: decoder.decode(stdout).trim(),
    errors: decoder.decode(stderr).trim(),
  };
}

async function main(args: readonly string[]): Promise<number> {
  const changelog = await Deno.readTextFile(new URL("CHANGELOG.md", ROOT));
  if (args.includes("--notes")) {
    console.log(releaseNotes(changelog).trimEnd());
    return 0;
  }
  const commit = await output("git", "rev-parse", "--short", "HEAD");
  console.log(`ws-stream ${version} from commit ${commit.text}\n`);
  const checks = await check(changelog);
  for (const { name, problem } of checks) {
    console.log(problem === undefined ? `ok    ${name}` : `STOP  ${name}`);
    if (problem !== undefined) console.log(`      ${problem}`);
  }
  console.log(`\n${await describe(changelog)}\n`);
  const tagging = ["tag", "--annotate", TAG, `--message=ws-stream ${version}`];
  const isReady = checks.every(({ problem }) => problem === undefined);
  if (args.includes("--dry-run")) {
    console.log(isReady ? "Would run:" : "Would stop. Otherwise would run:");
    console.log(`  git ${tagging.join(" ")}`);
    console.log(`  git push origin ${TAG}`);
    return isReady ? 0 : 1;
  }
  if (!isReady) {
    console.error("Stopped: see above.");
    return 1;
  }
  const { success, errors } = await output("git", ...tagging);
  if (!success) {
    console.error(errors);
    return 1;
  }
  console.log(`Tagged. To publish it: git push origin ${TAG}`);
  return 0;
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
