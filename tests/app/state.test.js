// What the app shows next, and what never takes the screen from somebody.
import assert from "node:assert/strict";
import { test } from "node:test";
import { delayBefore } from "../../pushmfa/app/link.js";
import { cardOf, endOf, nextView, START, step, waiting } from "../../pushmfa/app/state.js";
import { challenge, enrolled, outcomeOf } from "./host.js";

const at = await enrolled();
const asked = (changes) => ({ statement: challenge(at, changes), raw: new Uint8Array(2) });
const hear = (model, one, now = 100) => step(model, { type: "asked", asked: one, lifetime: 60 }, now);
const end = (model, one, changes) => step(model, { type: "ended", outcome: outcomeOf(one.statement, changes) }, 100);

test("a login that comes alone opens itself", () => {
  const model = hear(START, asked());
  assert.equal(model.view.screen, "card");
  assert.deepEqual(nextView(model), model.view);
});

test("attack: a second login never takes the screen from the first", () => {
  const first = hear(START, asked()), second = hear(first, asked({ remote_address: "198.51.100.7" }));
  assert.deepEqual(second.view, first.view);
  assert.equal(waiting(second).length, 2);
  assert.deepEqual(nextView(second), { screen: "home" }, "the person chooses which");
});

test("attack: a login takes nobody out of an enrollment or the hosts", () => {
  for (const view of [{ screen: "enroll", step: { at: "connecting" } }, { screen: "hosts" }, { screen: "elsewhere" }]) {
    assert.deepEqual(hear({ ...START, view }, asked()).view, view);
  }
});

test("the same challenge again changes nothing", () => {
  const one = asked(), model = hear(START, one);
  assert.equal(hear(model, one), model);
});

test("a card stays on the screen when it ends, and goes with its enrollment", () => {
  const one = asked(), model = end(hear(START, one), one);
  assert.equal(model.view.screen, "card");
  assert.equal(endOf(cardOf(model, model.view.key)), "approved_enter");
  const gone = step(model, { type: "forget", host: at.enrollment }, 100);
  assert.deepEqual(gone.view, { screen: "home" });
  assert.deepEqual(gone.cards, []);
});

test("time that passes changes the model only when a card ends", () => {
  const model = hear(START, asked());
  assert.equal(step(model, { type: "tick" }, 130), model);
  const over = step(model, { type: "tick" }, 161);
  assert.equal(endOf(cardOf(over, over.view.key)), "expired");
});

test("each end has its own sentence", () => {
  const cases = [
    [{}, "approved_enter"], [{ press_enter: false }, "approved"], [{ by_this_device: false }, "approved_other"],
    [{ by_this_device: false, cause: "totp" }, "approved_terminal"],
    [{ verdict: "denied", cause: "cancel" }, "denied"], [{ verdict: "denied", cause: "not_me" }, "not_me"],
    [{ verdict: "denied", cause: "cancel", by_this_device: false }, "denied_other"],
    [{ verdict: "wrong_number", cause: "wrong_number" }, "wrong"],
    [{ verdict: "wrong_number", cause: "wrong_number", by_this_device: false }, "wrong_other"],
    [{ verdict: "expired", cause: "no_answer" }, "expired"], [{ verdict: "canceled", cause: "hangup" }, "canceled"],
    [{ verdict: "throttled", cause: "limit" }, "locked"], [{ verdict: "unavailable", cause: "internal" }, "unavailable"],
  ];
  for (const [changes, name] of cases) {
    const one = asked(), model = end(hear(START, one), one, changes);
    assert.equal(endOf(cardOf(model, model.view.key)), name);
  }
});

test("back-off is drawn from the whole range, and ends at a minute", () => {
  assert.equal(delayBefore(1, 1), 1);
  assert.equal(delayBefore(3, 0.5), 2);
  assert.equal(delayBefore(1000, 1), 60);
  assert.equal(delayBefore(5, 0), 0);
});
