/** A person who logs in and allows us on another device: RFC 8628. */

import { setTimeout as delay } from 'node:timers/promises';
import * as oauth from 'oauth4webapi';
import { transport } from './discovery.ts';
import type { KeptClient } from './kept.ts';
import { inTime, type LoginRequest } from './login-request.ts';
import { authentication } from './registration.ts';

/** Rejects where nobody allows it. */
export async function deviceLogin(login: LoginRequest, client: KeptClient): Promise<oauth.TokenEndpointResponse> {
  const { server, resource } = login.discovered;
  const [about, proof] = authentication(server, client);
  const asked = { resource, ...(login.scope !== undefined && { scope: login.scope }) };
  const begun = await oauth.processDeviceAuthorizationResponse(
    server,
    about,
    await oauth.deviceAuthorizationRequest(server, about, proof, asked, transport(server.issuer)),
  );
  login.say(
    `Log in at ${begun.verification_uri_complete ?? begun.verification_uri} with the code ${begun.user_code}, on any device`,
  );
  const until = Date.now() + begun.expires_in * 1000;
  let interval = begun.interval ?? 5;
  while (Date.now() < until) {
    await inTime(login, delay(interval * 1000, undefined, { signal: login.signal }));
    const options = { ...transport(server.issuer), additionalParameters: { resource } };
    try {
      const response = await oauth.deviceCodeGrantRequest(server, about, proof, begun.device_code, options);
      return await oauth.processDeviceCodeResponse(server, about, response);
    } catch (error) {
      // RFC 8628 §3.5
      const code = error instanceof oauth.ResponseBodyError ? error.error : undefined;
      if (code === 'slow_down') interval += 5;
      else if (code !== 'authorization_pending') throw error;
    }
  }
  throw new Error('nobody has entered the code in time');
}
