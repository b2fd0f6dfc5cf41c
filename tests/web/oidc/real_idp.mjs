// A real OpenID provider (oidc-provider, certified) on the loopback, for tests. Who there is, is read from a file each
// time somebody is looked up: a test may change it.
import { readFileSync } from "node:fs";
import Provider from "oidc-provider";

const [port, people, webUrl] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "tollbridge",
      client_secret: "s:cr&t of the client",
      redirect_uris: [`${webUrl}/sign-in/directory/back`],
      post_logout_redirect_uris: [`${webUrl}/sign-in`],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    },
  ],
  claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "offline_access", "profile", "email", "groups"],
  cookies: { keys: ["a key for the tests alone"] },
  findAccount(_context, id) {
    const person = JSON.parse(readFileSync(people, "utf8"))[id];
    return person && { accountId: id, claims: () => ({ sub: id, ...person }) };
  },
  issueRefreshToken: async (_context, client, code) => client.grantTypeAllowed("refresh_token") && code.scopes.has("offline_access"),
  pkce: { required: () => true },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
