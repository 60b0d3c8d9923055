import { expect } from "chai";
import { publicUrl } from "../../../../src/facilitator/catalogue/publicUrl.ts";

const PUBLIC = [
  ["https://shop.example/weather?city=Paris#now", "https://shop.example/weather"],
  ["http://shop.example:8080/", "http://shop.example:8080/"],
  ["https://user:secret@shop.example/x", "https://shop.example/x"],
  ["HTTPS://SHOP.EXAMPLE/x", "https://shop.example/x"],
  ["https://93.184.215.14/x", "https://93.184.215.14/x"],
  ["https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/"],
  ["https://local.shop.example/", "https://local.shop.example/"],
  ["https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"],
] as const;
const LOOPBACK = [
  "http://127.0.0.1:4021/weather",
  "http://127.9.9.9/",
  "http://localhost:4021/",
  "http://app.localhost/",
  "http://[::1]:80/",
  "http://0x7f.1/",
  "http://2130706433/",
  "http://[::ffff:127.0.0.1]/",
] as const;
const NEVER = [
  "http://169.254.169.254/latest/meta-data",
  "http://0xa9fea9fe/",
  "http://0251.0376.0251.0376/",
  "http://2852039166/",
  "http://10.0.0.1/",
  "http://172.31.255.255/",
  "http://192.168.1.1/",
  "http://100.64.0.1/",
  "http://198.18.0.1/",
  "http://0.0.0.0/",
  "http://0/",
  "http://224.0.0.1/",
  "http://255.255.255.255/",
  "http://[::]/",
  "http://[::ffff:a9fe:a9fe]/",
  "http://[::127.0.0.1]/",
  "http://[64:ff9b::7f00:1]/",
  "http://[2002:7f00:1::]/",
  "http://[2001:db8::1]/",
  "http://[fe80::1]/",
  "http://[fc00::1]/",
  "http://[fd00:ec2::254]/",
  "http://[ff02::1]/",
  "http://metadata.google.internal/",
  "http://metadata/",
  "http://printer.local/",
  "http://printer.local./",
  "http://router.lan/",
  "http://host.home.arpa/",
  "http://１０.0.0.1/",
  "file:///etc/passwd",
  "ftp://shop.example/",
  "javascript:alert(1)",
  "data:text/html,x",
  "shop.example",
  "",
  `https://shop.example/${"x".repeat(2_048)}`,
] as const;

describe("publicUrl", () => {
  for (const [given, expected] of PUBLIC) {
    it(`takes ${given}`, () => {
      for (const loopback of [true, false]) expect(publicUrl(given, { loopback })).to.equal(expected);
    });
  }
  for (const given of LOOPBACK) {
    it(`takes ${given} if this machine counts as public`, () => {
      expect(publicUrl(given, { loopback: true })).to.be.a("string");
      expect(publicUrl(given, { loopback: false })).to.equal(undefined);
    });
  }
  for (const given of NEVER) {
    it(`refuses ${given.slice(0, 60) || "nothing"}`, () => {
      for (const loopback of [true, false]) expect(publicUrl(given, { loopback })).to.equal(undefined);
    });
  }
});
