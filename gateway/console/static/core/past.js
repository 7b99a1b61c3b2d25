// The last two minutes of every asset's score, as this screen has seen them: for trends the size of a word.

import { on } from "./stream.js";

const KEPT = 120; // one a second
const scores = new Map();

/** The scores of an asset, the latest last. */
export function pastScores(asset) {
  return scores.get(asset) ?? [];
}

function hear({ assets }) {
  for (const { asset, score } of assets) {
    const past = scores.get(asset) ?? [];
    past.push(score);
    if (past.length > KEPT) past.shift();
    scores.set(asset, past);
  }
}

on("overview", hear);
