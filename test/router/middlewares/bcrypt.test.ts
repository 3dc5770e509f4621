import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '../../../src/router/handler.ts';
import { bcryptVerifier } from '../../../src/router/middlewares/bcrypt.ts';

// Made by libxcrypt's crypt(3).
const hash = '$2y$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.';

test('htpasswd -B: the password is right, in whichever way its variant is named, and another is not', async () => {
  for (const variant of ['$2y$', '$2b$', '$2a$']) {
    const verify = bcryptVerifier(hash.replace('$2y$', variant));
    assert.ok(verify);
    for (const expected of [true, true, false, true]) {
      assert.equal(await verify(expected ? 'correct horse battery' : 'wrong'), expected);
    }
  }
});

test('what is no bcrypt is none, and a cost that would hold up everybody is refused when it is read', () => {
  assert.equal(bcryptVerifier('$2y$05$short'), undefined);
  assert.equal(bcryptVerifier('$apr1$abcdefgh$GQF3hbcxO2ySp4igPQ/3a.'), undefined);
  assert.throws(() => bcryptVerifier(hash.replace('$05$', '$13$')), /-C 12 or less/);
});

test('guesses are computed one after the other, more than a few at once are 503, and the thread stays free', async () => {
  const verify = bcryptVerifier(hash.replace('$05$', '$08$'));
  assert.ok(verify);
  let turns = 0;
  const ticking = setInterval(() => turns++, 1);
  const guesses = await Promise.allSettled(Array.from({ length: 30 }, (_, turn) => verify(`guess ${turn}`)));
  clearInterval(ticking);
  const refused = guesses.filter(({ status }) => status === 'rejected');
  assert.equal(refused.length, 14);
  for (const { reason } of refused as PromiseRejectedResult[]) {
    assert.ok(reason instanceof Refusal && reason.reply.status === 503);
  }
  assert.ok(turns >= 16, `${turns} turns of the event loop for others`);
  assert.equal(await verify('another'), false);
});
