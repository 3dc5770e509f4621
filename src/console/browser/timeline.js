/** How far each client came on its way from a first 401 to a call, and which step never came. */

/** @import { StepTaken, TrailRow } from '../views.ts' */

import { byId, element, keep } from './element.js';
import { clock, count } from './units.js';

const steps = ['challenge', 'discovery', 'registration', 'authorization', 'consent', 'token', 'call'];
const looks = { works: 'good', 'under way': 'plain', stuck: 'bad' };
/** Clients; the command line tells of all of them. */
const most = 50;

/** @param {readonly TrailRow[]} trails @param {(clientId: string) => string | undefined} nameOf */
export function showTimeline(trails, nameOf) {
  for (const part of [byId('timeline'), document.querySelector('nav a[href="#timeline"]')])
    if (part instanceof HTMLElement) part.hidden = false;
  const parent = byId('timelines');
  if (trails.length === 0)
    return keep(
      parent,
      [''],
      () => 'none',
      () => element('p', { class: 'soft' }, 'No client has come since this gateway started.'),
    );
  keep(
    parent,
    trails.slice(0, most),
    (trail) => trail.clientId ?? `${trail.clientAddress} ${trail.userAgent}`,
    (trail) => drawn(trail, nameOf),
  );
}

/** @param {TrailRow} trail @param {(clientId: string) => string | undefined} nameOf */
function drawn({ clientId, clientAddress, userAgent, route, steps: taken, state, verdict }, nameOf) {
  const program = userAgent === '' ? clientAddress : `${userAgent} from ${clientAddress}`;
  const name = (clientId === undefined ? undefined : nameOf(clientId)) ?? clientId ?? program;
  return element(
    'article',
    { class: 'trail' },
    element('h3', {}, element('bdi', {}, name), element('span', { class: `mark ${looks[state]} beside` }, state)),
    element('p', { class: 'soft' }, program, route === undefined ? '' : `, at ${route}`),
    element('ol', {}, ...steps.map((step) => stepItem(step, taken[step], state === 'works' ? '–' : 'not yet'))),
    element('p', {}, verdict),
  );
}

/** @param {string} step @param {StepTaken | undefined} taken @param {string} untaken */
function stepItem(step, taken, untaken) {
  const { times = 0, last, refused } = taken ?? {};
  const look = times > 0 ? 'taken' : refused === undefined ? 'absent' : 'refused';
  const at = last ?? refused?.at;
  const told =
    times > 0 ? (times === 1 ? 'once' : `${count(times)} times`) : refused === undefined ? untaken : 'refused';
  return element(
    'li',
    { class: look },
    element('strong', {}, step),
    element('span', {}, told),
    at !== undefined && clock(at),
    element('small', {}, refused === undefined ? '' : refused.reason),
  );
}
