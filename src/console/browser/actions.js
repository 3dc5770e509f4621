/** What can be changed. A button names its action; a dialog asks first, and the page says what was done. */

import { byId, element } from './element.js';

/**
 * @typedef {object} Action
 * @property {string} title
 * @property {string} text what follows from it; `{}` stands for what it is about
 * @property {string} verb on the button that does it
 * @property {string} [choice] a box to tick, and under which name it is sent
 * @property {string} [choiceText]
 * @property {(answer: any, about: string) => string} done
 */

/** @type {Record<string, Action>} */
const actions = {
  'revoke-grant': {
    title: 'Revoke this grant?',
    text: '{}. Its tokens end at once; the person can let the client in again.',
    verb: 'Revoke',
    done: (_, about) => `Revoked: ${about}.`,
  },
  'delete-client': {
    title: 'Delete this client?',
    text: '{}. All its grants and tokens end at once, and it has to register anew.',
    verb: 'Delete',
    done: ({ grants }, about) => `Deleted: ${about}; ${grants === 1 ? 'one grant' : `${grants} grants`} ended.`,
  },
  'revoke-token': {
    title: 'End this personal token?',
    text: '{}. Whatever uses it is refused from now on.',
    verb: 'End it',
    done: (_, about) => `Ended: ${about}.`,
  },
  'remove-user': {
    title: 'Remove this user?',
    text: '{}. The login, every consent and every token of this person end at once.',
    verb: 'Remove',
    done: (_, about) => `Removed: ${about}.`,
  },
  'renew-certificate': {
    title: 'Renew this certificate now?',
    text: '{}. The issuer is asked for a new one; the present one stays in use until it is there.',
    verb: 'Renew',
    done: (_, about) => `Renewed: ${about}.`,
  },
  'rotate-keys': {
    title: 'Rotate the signing keys?',
    text: 'New tokens are signed with a new key; the present one stays published until its last token has expired.',
    verb: 'Rotate',
    choice: 'compromised',
    choiceText: 'The key is compromised: end every access token at once',
    done: ({ kid }) => `Rotated: the key ${kid} signs next.`,
  },
  reload: {
    title: 'Reload the configuration?',
    text: 'The file is read anew and put to work. Sessions that it still has go on; with a fault in it nothing changes.',
    verb: 'Reload',
    done: () => 'The configuration has been read anew and is at work.',
  },
};

/**
 * A button for an action. `about` says what it is about, for people; `name` names it to the gateway.
 * @param {string} action
 * @param {string} label
 * @param {string} about
 * @param {string} [name]
 */
export function actionButton(action, label, about, name) {
  return element(
    'button',
    {
      type: 'button',
      class: 'small',
      'aria-label': about === '' ? undefined : `${label}: ${about}`,
      'data-action': action,
      'data-about': about,
      'data-name': name,
    },
    label,
  );
}

/**
 * Listens for those buttons, for as long as the page is there.
 * @param {() => string} csrf
 * @param {() => void} changed
 */
export function listenForActions(csrf, changed) {
  const title = element('h2', { id: 'confirm-title' });
  const text = element('p', { class: 'question' });
  const box = element('input', { type: 'checkbox' });
  const boxLabel = element('span');
  const choice = element('p', { class: 'question' }, element('label', {}, box, ' ', boxLabel));
  const fault = element('p', { class: 'fault', role: 'alert' });
  const no = element('button', { type: 'button' }, 'Cancel');
  const yes = element('button', { type: 'button', class: 'main' });
  const buttons = element('p', { class: 'buttons' }, no, yes);
  const dialog = element('dialog', { 'aria-labelledby': 'confirm-title' }, title, text, choice, fault, buttons);
  document.body.append(dialog);
  /** @type {HTMLElement | undefined} */
  let button;

  /** @param {HTMLElement} pressed */
  const ask = (pressed) => {
    const action = actions[pressed.dataset.action ?? ''];
    if (action === undefined) return;
    button = pressed;
    title.textContent = action.title;
    text.textContent = action.text.replace('{}', () => pressed.dataset.about ?? '');
    choice.hidden = action.choice === undefined;
    boxLabel.textContent = action.choiceText ?? '';
    box.checked = false;
    fault.hidden = true;
    yes.textContent = action.verb;
    yes.disabled = false;
    dialog.showModal();
    no.focus();
  };

  const act = async () => {
    const { action: path = '', name, about = '' } = button?.dataset ?? {};
    const action = actions[path];
    if (action === undefined) return;
    yes.disabled = true;
    yes.textContent = 'Working…';
    fault.hidden = true;
    const section = button?.closest('section');
    try {
      const body = { ...bodyOf(path, name), ...(action.choice !== undefined && { [action.choice]: box.checked }) };
      const answer = await sent(`/console/${path}`, body, csrf());
      dialog.close();
      byId('done').textContent = action.done(answer, about);
      // The row, and its button with it, may be gone in a moment.
      section?.focus({ preventScroll: true });
      changed();
    } catch (error) {
      fault.textContent = error instanceof Error ? error.message : String(error);
      fault.hidden = false;
      yes.disabled = false;
      yes.textContent = action.verb;
    }
  };

  document.addEventListener('click', ({ target }) => {
    const pressed = target instanceof Element ? target.closest('[data-action]') : null;
    if (pressed instanceof HTMLElement) ask(pressed);
  });
  no.addEventListener('click', () => dialog.close());
  yes.addEventListener('click', () => void act());
}

/** @param {string} action @param {string | undefined} name */
function bodyOf(action, name) {
  if (name === undefined) return {};
  return action === 'renew-certificate' ? { host: name } : { name };
}

/** @param {string} path @param {object} body @param {string} csrf */
async function sent(path, body, csrf) {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-csrf-token': csrf },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok)
    throw new Error(`It was not done: ${answer.error_description ?? `the gateway answered ${response.status}`}.`);
  return answer;
}
