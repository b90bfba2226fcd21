"""A workload written with the PyPI package `spiffe`: what a mayfly agent gives out must work here unchanged.

`fetch`, `bundles`, `watch`. One JSON object a line on standard output.
"""
import json
import signal
import sys

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ExtendedKeyUsage, KeyUsage
from spiffe import WorkloadApiClient


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def describe(svid, bundle):
    leaf = svid.leaf
    authority = next(iter(bundle.x509_authorities))
    authority.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(leaf.signature_hash_algorithm))
    assert leaf.extensions.get_extension_for_class(KeyUsage).value.digital_signature
    assert len(list(leaf.extensions.get_extension_for_class(ExtendedKeyUsage).value)) == 2
    return {"id": str(svid.spiffe_id), "serial": format(leaf.serial_number, "034x")}


def states(context):
    return [describe(svid, context.x509_bundle_set.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)) for svid in context.x509_svids]


def main():
    mode = sys.argv[1]
    try:
        with WorkloadApiClient() as client:
            if mode == "fetch":
                for state in states(client.fetch_x509_context()):
                    say("svid", **state)
            elif mode == "bundles":
                for bundle in client.fetch_x509_bundles().bundles:
                    say("bundle", trustDomain=bundle.trust_domain.name, authorities=len(bundle.x509_authorities))
            elif mode == "watch":
                client.stream_x509_contexts(lambda context: say("update", svids=states(context)), lambda error: say("watch_error", message=str(error)))
                signal.pause()
    except Exception as error:  # whatever the package raises is what the test looks at
        say("failed", message=str(error))
        sys.exit(1)


main()
