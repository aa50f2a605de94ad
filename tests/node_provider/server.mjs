// An outside OpenID provider for the tests: npm's oidc-provider, on a free port of loopback.
//
//   SHOP_URL=… SHOP_CLIENT_SECRET=… node server.mjs    writes its issuer to standard output
//
// Its pages are the library's own (devInteractions: any name signs in, without a password).
// POST /_control changes what it does: {"rotate": true}, {"down": true}, {"clock": -3600},
// {"accounts": {"njeri": {"email": …}}}, {"conformIdTokenClaims": false} (claims stand in the ID
// token, not only in user info). GET /_control tells which logout tokens it sent.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import http from 'node:http';

import Provider from 'oidc-provider';

const shop = process.env.SHOP_URL;
const secret = process.env.SHOP_CLIENT_SECRET;
const elsewhere = 'http://127.0.0.1:9/callback';
const realNow = Date.now;
const logoutTokens = [];
const state = { accounts: {}, clock: 0, conformIdTokenClaims: true, down: false, keys: [newKey()] };
Date.now = () => realNow() + state.clock * 1000;

function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
}

function program(id) {
  return {
    client_id: id,
    client_secret: secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  };
}

function configuration() {
  return {
    claims: {
      openid: ['sub', 'realm_access'],
      email: ['email', 'email_verified'],
      profile: ['name', 'given_name', 'family_name'],
    },
    clients: [
      {
        client_id: 'shop',
        client_secret: secret,
        token_endpoint_auth_method: 'client_secret_post',
        redirect_uris: [`${shop}/oidc/callback/`],
        post_logout_redirect_uris: [`${shop}/`],
        backchannel_logout_uri: `${shop}/oidc/backchannel-logout/`,
        backchannel_logout_session_required: true,
      },
      { client_id: 'elsewhere', client_secret: secret, redirect_uris: [elsewhere] },
      program('till'),
      program('scale'),
    ],
    conformIdTokenClaims: state.conformIdTokenClaims,
    cookies: { keys: [secret] },
    features: {
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, audience) => ({
          audience,
          scope: 'api',
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
        useGrantedResource: () => true,
      },
    },
    // The library itself calls nobody on loopback.
    fetch: (url, { dispatcher, ...options }) => {
      logoutTokens.push(options.body.get('logout_token'));
      return fetch(url, options);
    },
    findAccount: (ctx, id) => ({
      accountId: id,
      claims: () => ({ ...state.accounts[id], sub: id }),
    }),
    jwks: { keys: state.keys },
    // Nobody is asked whether the client may know them.
    loadExistingGrant: async (ctx) => {
      const { client, params, session } = ctx.oidc;
      const grant = new ctx.oidc.provider.Grant({
        accountId: session.accountId,
        clientId: client.clientId,
      });
      grant.addOIDCScope('openid email profile');
      for (const resource of [params.resource ?? []].flat()) {
        grant.addResourceScope(resource, 'api');
      }
      await grant.save();
      return grant;
    },
    pkce: { required: () => true },
    ttl: {
      AccessToken: 300,
      ClientCredentials: 300,
      Grant: 3600,
      IdToken: 300,
      Interaction: 600,
      Session: 3600,
    },
  };
}

let answer;

// It forgets who is signed in.
function restart() {
  answer = new Provider(issuer, configuration()).callback();
}

async function control(request, response) {
  if (request.method === 'POST') {
    const { rotate, ...changes } = JSON.parse(Buffer.concat(await request.toArray()));
    const conformed = state.conformIdTokenClaims;
    Object.assign(state, changes, rotate ? { keys: [newKey()] } : {});
    if (rotate || state.conformIdTokenClaims !== conformed) restart();
  }
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ logout_tokens: logoutTokens }));
}

const server = http.createServer((request, response) => {
  if (request.url === '/_control') {
    control(request, response);
  } else if (state.down) {
    response.writeHead(500).end('down');
  } else {
    answer(request, response);
  }
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;
restart();
console.log(issuer);
