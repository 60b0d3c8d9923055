/**
 * The packages that a deployment by Ignition needs, at the versions that it was tried with. All of them are optional
 * peers.
 */
const IGNITION_PACKAGES = [
  "hardhat@3.17.0",
  "@nomicfoundation/hardhat-ignition@3.1.8",
  "@nomicfoundation/hardhat-ignition-viem@3.1.6",
  "@nomicfoundation/hardhat-viem@3.0.9",
  "@nomicfoundation/hardhat-verify@3.1.1",
];

/** The command that installs them. */
export const INSTALL_IGNITION = `npm install --save-dev ${IGNITION_PACKAGES.join(" ")}`;
