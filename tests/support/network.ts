/**
 * Two hosts and a router between them, so that packets can really be lost:
 * network namespaces of Linux, with nothing that leads out of them.
 *
 * @module
 */

import { canRun, type Program } from "./foreign_server.ts";

/** Where a program runs. */
export type Host = "client" | "server";

/** How the way between the hosts is cut, at the router. */
export type Cut =
  /** Packets vanish without a word. */
  | "black hole"
  /** The router has no link to the server, and tells the client so. */
  | "link down";

const CLIENT = "10.77.1.2";
const SERVER = "10.77.2.2";

/** What makes the way of each cut, and what makes it whole again. */
const CUTS: Readonly<Record<Cut, { cut: string[]; restore: string[] }>> = {
  "black hole": {
    cut: [
      `route add blackhole ${SERVER}/32`,
      `route add blackhole ${CLIENT}/32`,
    ],
    restore: [
      `route del blackhole ${SERVER}/32`,
      `route del blackhole ${CLIENT}/32`,
    ],
  },
  "link down": {
    cut: ["link set to-server down"],
    restore: ["link set to-server up"],
  },
};

/** The network, until it is disposed of; end what runs in it before. */
export class Network implements AsyncDisposable {
  readonly serverAddress = SERVER;
  readonly #prefix = `ws-stream-${Deno.pid}`;

  private constructor() {}

  /** @throws {Error} what `ip` says, when it may not. */
  static async make(): Promise<Network> {
    const network = new Network();
    try {
      await network.#build();
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A command that runs on one of the hosts. */
  command(host: Host, program: string, args: readonly string[]): Deno.Command {
    return new Deno.Command("ip", {
      args: ["netns", "exec", this.#name(host), program, ...args],
      stdin: "piped",
      stdout: "piped",
    });
  }

  async cut(how: Cut): Promise<void> {
    for (const command of CUTS[how].cut) await this.#at("router", command);
  }

  async restore(how: Cut): Promise<void> {
    for (const command of CUTS[how].restore) await this.#at("router", command);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of ["client", "router", "server"]) {
      await canRun("ip", "netns", "del", this.#name(host));
    }
  }

  async #build(): Promise<void> {
    for (const host of ["client", "router", "server"]) {
      await ip(["netns", "add", this.#name(host)]);
    }
    await this.#connect("client", CLIENT, "10.77.1.1");
    await this.#connect("server", SERVER, "10.77.2.1");
    await ip([
      ...["netns", "exec", this.#name("router")],
      ...["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"],
    ]);
  }

  async #connect(host: Host, address: string, router: string): Promise<void> {
    await this.#at(
      host,
      `link add wire type veth peer to-${host} netns ${this.#name("router")}`,
    );
    await this.#at(host, `address add ${address}/24 dev wire`);
    await this.#at("router", `address add ${router}/24 dev to-${host}`);
    await this.#at("router", `link set to-${host} up`);
    await this.#at(host, "link set wire up");
    await this.#at(host, `route add default via ${router}`);
  }

  async #at(host: string, command: string): Promise<void> {
    await ip(["-n", this.#name(host), ...command.split(" ")]);
  }

  #name(host: string): string {
    return `${this.#prefix}-${host}`;
  }
}

/** Makes networks, where that is allowed. */
export async function findNetwork(): Promise<Program<() => Promise<Network>>> {
  if (Deno.build.os !== "linux" || !await canRun("ip", "-V")) {
    return { missing: "iproute2 is not installed" };
  }
  try {
    await using _network = await Network.make();
    return { start: () => Network.make() };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { missing: `no network namespaces: ${why}` };
  }
}

async function ip(args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", {
    args,
    stdout: "null",
  }).output();
  if (success) return;
  const text = new TextDecoder().decode(stderr).trim();
  throw new Error(`ip ${args.join(" ")}: ${text}`);
}
