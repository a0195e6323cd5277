"""Receives OTLP over gRPC and HTTP, decodes it with OpenTelemetry's own Python classes, and prints each message as a line of JSON.

Usage: otlp.py [--tls FOLDER] [FAILURE..]: with --tls, it has server.pem and server.key of that folder, and wants a client's certificate by ca.pem; the first trace requests fail so, in this order: unavailable, slow-down (RESOURCE_EXHAUSTED with RetryInfo of
one second), invalid. Prints `ready GRPC-PORT HTTP-PORT` first.
"""

import concurrent.futures
import http.server
import json
import ssl
import sys
import threading

import grpc
from google.protobuf import any_pb2, duration_pb2, json_format
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

failures = sys.argv[1:]
tls = None
if failures[:1] == ["--tls"]:
    tls, failures = failures[1], failures[2:]
lock = threading.Lock()


def tell(kind, way, message):
    line = json.dumps({"kind": kind, "way": way, "message": json_format.MessageToDict(message)})
    with lock:
        print(line, flush=True)


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def retry_info(seconds):
    """A google.rpc.Status with a RetryInfo, whose generated classes are in another package."""
    delay = duration_pb2.Duration(seconds=seconds).SerializeToString()
    info = b"\x0a" + varint(len(delay)) + delay
    detail = any_pb2.Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=info).SerializeToString()
    return b"\x08\x08\x1a" + varint(len(detail)) + detail


class Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        with lock:
            failure = failures.pop(0) if failures else None
        if failure == "unavailable":
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        if failure == "slow-down":
            context.set_trailing_metadata((("grpc-status-details-bin", retry_info(1)),))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down")
        if failure == "invalid":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such thing")
        tell("traces", "grpc", request)
        return trace_service_pb2.ExportTraceServiceResponse()


class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def Export(self, request, context):
        tell("metrics", "grpc", request)
        return metrics_service_pb2.ExportMetricsServiceResponse()


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            tell("traces", "http", trace_service_pb2.ExportTraceServiceRequest.FromString(body))
        else:
            tell("metrics", "http", metrics_service_pb2.ExportMetricsServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)
metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Http)
if tls:
    read = lambda name: open(f"{tls}/{name}", "rb").read()
    pair = (read("server.key"), read("server.pem"))
    credentials = grpc.ssl_server_credentials([pair], root_certificates=read("ca.pem"), require_client_auth=True)
    grpc_port = server.add_secure_port("127.0.0.1:0", credentials)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{tls}/server.pem", f"{tls}/server.key")
    context.load_verify_locations(f"{tls}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    web.socket = context.wrap_socket(web.socket, server_side=True)
else:
    grpc_port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"ready {grpc_port} {web.server_address[1]}", flush=True)
web.serve_forever()
