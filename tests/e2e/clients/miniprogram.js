// A mini program that uses sa-sdk-miniprogram, on a platform object whose request is real HTTP.
// usage: node miniprogram.js MODULES SERVER_URL STORAGE_FILE CALLS   (a call is [name, ...arguments])
// It ends when the SDK has nothing left to send; the storage file is the phone's.
"use strict";

const fs = require("node:fs");
const http = require("node:http");

const [modules, serverUrl, storageFile, calls] = process.argv.slice(2);
const storage = fs.existsSync(storageFile) ? JSON.parse(fs.readFileSync(storageFile, "utf8")) : {};
const hidden = [];
let underWay = 0;
let failed = 0;

function request({ url, method, header, data, success, fail, complete }) {
  underWay += 1;
  const end = (tell, answer) => {
    underWay -= 1;
    if (tell) tell(answer);
    if (complete) complete(answer);
  };
  const sent = http.request(url, { method, headers: header }, (answer) => {
    if (answer.statusCode !== 200) failed += 1;
    answer.resume();
    answer.on("end", () => end(success, { statusCode: answer.statusCode, data: "" }));
  });
  sent.on("error", (error) => {
    failed += 1;
    end(fail, { errMsg: String(error) });
  });
  sent.end(data);
}

const now = (options, answer) => {
  if (options.success) options.success(answer);
  if (options.complete) options.complete(answer);
};

global.wx = {
  request,
  getStorageSync: (key) => storage[key] ?? "",
  setStorageSync: (key, value) => {
    storage[key] = JSON.parse(JSON.stringify(value));
  },
  getStorage: (options) => now(options, { data: storage[options.key] }),
  getNetworkType: (options) => now(options, { networkType: "wifi" }),
  getSystemInfo: (options) => now(options, { brand: "x", model: "y", platform: "devtools" }),
  getAccountInfoSync: () => ({ miniProgram: { appId: "wx0a1b2c3d4e5f6789" } }),
  getLaunchOptionsSync: () => ({ path: "pages/index/index", query: {}, scene: 1001 }),
  onNetworkStatusChange: () => {},
  onAppShow: () => {},
  onAppHide: (call) => hidden.push(call),
};
global.getCurrentPages = () => [{ route: "pages/index/index" }];
global.App = global.Page = global.Component = () => {};

const found = require(`${modules}/sa-sdk-miniprogram`);
const tracker = found.default || found;
const wait = (ms) => new Promise((next) => setTimeout(next, ms));

(async () => {
  tracker.setPara({ server_url: serverUrl, autoTrack: false });
  tracker.init();
  for (const [name, ...given] of JSON.parse(calls)) {
    tracker[name](...given);
    await wait(5); // each call has its own millisecond
  }
  hidden.forEach((call) => call()); // the SDK sends what waits when the app goes to the background
  do await wait(20);
  while (underWay);
  fs.writeFileSync(storageFile, JSON.stringify(storage));
  process.exit(failed ? 1 : 0);
})();
