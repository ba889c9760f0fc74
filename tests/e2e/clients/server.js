// A program that uses sa-sdk-node: calls in, records out.
// usage: node server.js MODULES SUBMIT_OPTIONS BATCH_OPTIONS CALLS   (JSON; a call is [name, ...arguments])
"use strict";

const [modules, submit, batch, calls] = process.argv.slice(2);
const SensorsAnalytics = require(`${modules}/sa-sdk-node`);
const tracker = new SensorsAnalytics();

const submitter = tracker.submitTo(JSON.parse(submit), JSON.parse(batch));
submitter.catch((error) => {
  console.error(String(error));
  process.exitCode = 1;
});

const apart = () => new Promise((next) => setTimeout(next, 5)); // each call has its own millisecond

(async () => {
  for (const [name, ...given] of JSON.parse(calls)) {
    tracker[name](...given);
    await apart();
  }
  tracker.onCompleted(); // what waits in a batch is sent, and the timer ends
})();
