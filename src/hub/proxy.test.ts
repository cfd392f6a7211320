import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, request as forward, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, type AddressInfo } from "node:net";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { failsWith, hubFixture } from "../../test/support/hub-fixture.ts";

interface Proxy {
  readonly address: string;
  readonly log: string[];
}

/** Forwards plain requests and opens tunnels; `route` says where a tunnel really goes. */
async function startProxy(t: TestContext, route?: () => number, password?: string): Promise<Proxy> {
  const log: string[] = [];
  const allows = (header: string | undefined) =>
    password === undefined || header === `Basic ${Buffer.from(password).toString("base64")}`;
  const server = createServer((request, response) => {
    log.push(`${request.method} ${request.url?.split("?")[0]}`);
    if (!allows(request.headers["proxy-authorization"])) {
      response.writeHead(407).end();
      return;
    }
    const options = { method: request.method, headers: request.headers };
    const upstream = forward(request.url ?? "", options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    request.pipe(upstream);
  });
  server.on("connect", (request, socket) => {
    log.push(`CONNECT ${request.url}`);
    if (route === undefined) {
      socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      return;
    }
    const upstream = connect(route(), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [socket, upstream]) end.on("error", () => {});
  });
  return { address: await listen(t, server), log };
}

async function listen(t: TestContext, server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a proxy that refuses is named in the error", async (t) => {
  const { fetch } = await hubFixture(t);
  const proxy = await startProxy(t, undefined, "user:secret");
  await assert.rejects(
    fetch(undefined, { environment: { HTTP_PROXY: `http://${proxy.address}` } }),
    failsWith(
      "settings",
      /the proxy to let the request to .* pass but received 407; put user:password@/,
    ),
  );
  const environment = { HTTPS_PROXY: `http://${proxy.address}` };
  await assert.rejects(
    fetch(undefined, { endpoint: "https://hub.example", environment, retries: 0 }),
    failsWith(
      "network",
      /hub.example \(Proxy response \(502\).*check the connection and the proxy/,
    ),
  );
  assert.equal(proxy.log.at(-1), "CONNECT hub.example:443");
});

test("HTTP_PROXY and NO_PROXY", async (t) => {
  const { hub, fetch } = await hubFixture(t);
  const proxy = await startProxy(t, undefined, "user:secret");
  const HTTP_PROXY = `http://user:secret@${proxy.address}`;
  await fetch(undefined, { environment: { HTTP_PROXY } });
  assert.equal(proxy.log.length, hub.log.length, "all requests, those to the store too");
  assert.equal(proxy.log[0], `GET ${hub.endpoint}/api/models/org/model/revision/main`);
  const before = proxy.log.length;
  await fetch(undefined, { environment: { HTTP_PROXY, NO_PROXY: "example.org,127.0.0.1" } });
  assert.equal(proxy.log.length, before);
});

test("HTTPS_PROXY: a tunnel to a hub that speaks TLS", async (t) => {
  const { hub, cache } = await hubFixture(t);
  const authority = path.join(cache, "certificate.pem");
  const key = path.join(cache, "key.pem");
  const subject = ["-subj", "/CN=hub.example", "-addext", "subjectAltName=DNS:hub.example"];
  const files = ["-keyout", key, "-out", authority];
  const kind = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
  ];
  try {
    execFileSync("openssl", ["req", "-x509", ...kind, ...files, ...subject], { stdio: "ignore" });
  } catch {
    t.skip("openssl, which makes the certificate, is not installed");
    return;
  }
  // TLS in front of the local hub; the store is reached through the same tunnel.
  const tls = createTlsServer({ key: readFileSync(key), cert: readFileSync(authority) });
  tls.on("request", (request, response) => {
    const origin = request.url?.startsWith("/store") ? hub.storeOrigin : hub.endpoint;
    const options = { method: request.method, headers: request.headers };
    const upstream = forward(`${origin}${request.url}`, options, (answer) => {
      const { location } = answer.headers;
      const moved = location?.replace(hub.storeOrigin, "https://store.hub.example");
      response.writeHead(answer.statusCode ?? 502, {
        ...answer.headers,
        ...(moved && { location: moved }),
      });
      answer.pipe(response);
    });
    request.pipe(upstream);
  });
  const port = Number((await listen(t, tls)).split(":")[1]);
  const proxy = await startProxy(t, () => port);
  const script = `
    import { fetchModel } from ${JSON.stringify(new URL("./fetch-model.js", import.meta.url).href)};
    const choose = () => [process.argv[1]];
    await fetchModel("hf://org/model", { choose, retries: 0 }).then(
      (folder) => console.log(folder), (error) => console.log(error.failure, error.message));`;
  const run = async (file: string, more: Record<string, string>) => {
    const env = {
      HF_HUB_CACHE: path.join(cache, "tls"),
      HF_ENDPOINT: "https://hub.example",
      HTTPS_PROXY: proxy.address,
      HF_TOKEN: "hf_secret",
      ...more,
    };
    const args = ["--input-type=module", "-e", script, file];
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    await once(child, "close");
    return output.trim();
  };
  assert.match(
    await run("config.json", {}),
    /^network .*DEPTH_ZERO_SELF_SIGNED_CERT; name the certificate's file in NODE_EXTRA_CA_CERTS/,
  );
  const folder = await run("config.json", { NODE_EXTRA_CA_CERTS: authority });
  assert.match(readFileSync(path.join(folder, "config.json"), "utf8"), /clip/);
  assert.ok(proxy.log.length > 0 && proxy.log.every((line) => line === "CONNECT hub.example:443"));
  assert.ok(hub.log.every(({ headers }) => headers.authorization === "Bearer hf_secret"));
  // The store's name is not in the certificate: the tunnel opens, the connection is refused.
  const refused = await run("model.safetensors", { NODE_EXTRA_CA_CERTS: authority });
  assert.match(refused, /^network .*store.hub.example but received ERR_TLS_CERT_ALTNAME_INVALID/);
  assert.equal(proxy.log.at(-1), "CONNECT store.hub.example:443");
});
