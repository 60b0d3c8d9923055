export { type DataFeeInputs, dataFee, estimateDataSize, fastLzLength } from "./opStack.ts";
export { type BatchPrice, priceBatch } from "./price.ts";
export { sampleTransaction } from "./sample.ts";
