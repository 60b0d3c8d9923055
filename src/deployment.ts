import { type Address, encodeAbiParameters, getContractAddress, type Hex, keccak256 } from "viem";

/**
 * The factory that deploys the router: CreateX, at one address on every chain that has it. Ignition's `create2`
 * strategy calls its `deployCreate2(bytes32,bytes)`.
 */
export const CREATE_X_ADDRESS: Address = "0xba5Ed099633D3B313e4D5F7bdc1305d3c28ba5Ed";

/**
 * The salt given to CreateX, keccak256("tributary/SettlementRouter/1"). It starts with neither the deployer's address
 * nor zeros, so CreateX binds it to nobody and to no chain. Anyone who deploys it, on any chain, gets the same router.
 */
export const ROUTER_SALT: Hex = "0x454a89376fb647d70a9d5afb3a80ea7501b1381f696de62232690fc095032193";

// The next two follow from the router's bytecode. `node scripts/dev/routerAddress.ts --write` updates them.

/** keccak256 of the router's creation code as compiled by this repository's one compiler profile. */
export const ROUTER_INIT_CODE_HASH: Hex = "0x427f98f1ab4a0f8f0cb4df4d647952efdc6f42b1a3bc36e59eda97a9fd8942ec";

/** The SettlementRouter's address on every chain. Check on each chain that it is deployed there. */
export const ROUTER_ADDRESS: Address = "0x514B4f9252e4B820a751ae9eB434f1Fba391316d";

/**
 * The address that CreateX gives to a contract with this creation code (EIP-1014). CreateX hashes a salt that names no
 * deployer before using it.
 */
export function computeRouterAddress(initCodeHash: Hex = ROUTER_INIT_CODE_HASH, salt: Hex = ROUTER_SALT): Address {
  const guardedSalt = keccak256(encodeAbiParameters([{ type: "bytes32" }], [salt]));
  return getContractAddress({
    opcode: "CREATE2",
    from: CREATE_X_ADDRESS,
    salt: guardedSalt,
    bytecodeHash: initCodeHash,
  });
}
