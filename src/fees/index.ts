export { type DataFeeInputs, dataFee, dataFeeOfSize, estimateDataSize, fastLzLength } from "./opStack.ts";
export { type BatchPrice, type BatchPriceInput, priceBatch } from "./price.ts";
export { sampleTransaction } from "./sample.ts";
