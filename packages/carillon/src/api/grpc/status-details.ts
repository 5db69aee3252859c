import protobuf from 'protobufjs';
import { SERVICE } from './schema.ts';

/** How gRPC carries more of an error than a status and a text (google.rpc.Status). */
const { root } = protobuf.parse(
  `syntax = "proto3";
   message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
   message Any { string type_url = 1; bytes value = 2; }
   message Error { uint32 code = 1; string message = 2; }`,
  { keepCase: true },
);
const StatusType = root.lookupType('Status');
const ErrorType = root.lookupType('Error');
const ERROR_URL = `type.googleapis.com/${SERVICE.replace(/[^.]+$/, 'Error')}`;

/** The value of `grpc-status-details-bin` for an error of the server API. */
export function statusDetails(
  code: number,
  error: { readonly code: number; readonly message: string },
): Buffer {
  const value = ErrorType.encode(error).finish();
  const details = [{ type_url: ERROR_URL, value }];
  return Buffer.from(StatusType.encode({ code, message: error.message, details }).finish());
}
