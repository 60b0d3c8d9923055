/** The development node inside this process, as the rest of this folder sees it. */
export type DevelopmentNode = {
  /** One JSON-RPC call (EIP-1193). */
  readonly request: Request;
  /** Calls `listener` for every `eth_subscribe` notification. The returned function removes it. */
  readonly onNotification: (listener: (notification: Notification) => void) => () => void;
  readonly close: () => Promise<void>;
};

export type Request = (method: string, params?: readonly unknown[]) => Promise<unknown>;

/** What a subscription sends (the `params` of an `eth_subscription` message). */
export type Notification = { readonly subscription: string; readonly result: unknown };
