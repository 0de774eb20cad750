"""The whole road in boto3: every origin, and the exceptions by their types.

Runs against a fresh hyok up --quotas off that the environment names (hyok env),
without retries, and ends with the line "every step as expected", or with the
first step that differs and status 1.
"""

import os
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

SOFTWARE, CLUSTER, EXTERNAL = "AWS_KMS", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"
ORIGINS = [SOFTWARE, CLUSTER, EXTERNAL]
PLAINTEXT = b"hold your own key"
CONTEXT = {"purpose": "demo"}
NOWHERE = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000000"


def new_client(**parameters):
    """A client without retries. boto3 reads AWS_ENDPOINT_URL_KMS since 1.28."""
    if tuple(map(int, boto3.__version__.split(".")[:2])) < (1, 28):
        parameters.setdefault("endpoint_url", os.environ["AWS_ENDPOINT_URL_KMS"])
    return boto3.client("kms", config=Config(retries={"total_max_attempts": 1}), **parameters)


kms = new_client()
e = kms.exceptions


def same(got, want, what):
    if got != want:
        raise SystemExit(f"{what}: got {got!r}, want {want!r}")


def refused(exception, message, operation, **parameters):
    """The call must fail with that type, and that message unless it is None."""
    try:
        getattr(kms, operation)(**parameters)
    except exception as err:
        if message is not None:
            same(err.response["Error"]["Message"], message, operation)
        same(err.response["ResponseMetadata"]["HTTPStatusCode"], 400, operation)
        return
    except ClientError as err:
        raise SystemExit(f"{operation}: got {err!r}, want {exception.__name__}")
    raise SystemExit(f"{operation}: succeeded, want {exception.__name__}")


def state(store):
    return kms.describe_custom_key_stores(CustomKeyStoreId=store)["CustomKeyStores"][0]["ConnectionState"]


def until(store, want):
    for _ in range(100):
        if state(store) == want:
            return
        time.sleep(0.1)
    raise SystemExit(f"key store {store} is {state(store)}, want {want}")


def external_store(**changes):
    credential = {
        "AccessKeyId": os.environ["HYOK_XKS_ACCESS_KEY_ID"],
        "RawSecretAccessKey": os.environ["HYOK_XKS_SECRET_ACCESS_KEY"],
    }
    parameters = {
        "CustomKeyStoreName": "external",
        "CustomKeyStoreType": EXTERNAL,
        "XksProxyConnectivity": "PUBLIC_ENDPOINT",
        "XksProxyUriEndpoint": os.environ["HYOK_XKS_URI_ENDPOINT"],
        "XksProxyUriPath": os.environ["HYOK_XKS_URI_PATH"],
        "XksProxyAuthenticationCredential": credential,
    }
    return {**parameters, **changes}


def cluster_store():
    with open(os.environ["HYOK_TRUST_ANCHOR"], encoding="ascii") as f:
        return {
            "CustomKeyStoreName": "cluster",
            "CloudHsmClusterId": os.environ["HYOK_CLUSTER_ID"],
            "TrustAnchorCertificate": f.read(),
            "KeyStorePassword": os.environ["HYOK_KMSUSER_PASSWORD"],
        }


def make_stores():
    stores = {}
    for origin, parameters in ((EXTERNAL, external_store()), (CLUSTER, cluster_store())):
        stores[origin] = kms.create_custom_key_store(**parameters)["CustomKeyStoreId"]
        same(state(stores[origin]), "DISCONNECTED", "a new key store")
        kms.connect_custom_key_store(CustomKeyStoreId=stores[origin])
    for store in stores.values():
        until(store, "CONNECTED")
    return stores


def make_keys(stores):
    keys = {}
    for origin in ORIGINS:
        parameters = {"Origin": origin, "Description": origin}
        if origin in stores:
            parameters["CustomKeyStoreId"] = stores[origin]
        if origin == EXTERNAL:
            parameters["XksKeyId"] = os.environ["HYOK_XKS_KEY_ID"]
        made = kms.create_key(**parameters)["KeyMetadata"]
        same((made["Origin"], made["KeyState"], made["Description"]), (origin, "Enabled", origin), "create_key")
        keys[origin] = made["Arn"]
    return keys


def opens(blob, key):
    out = kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)
    same((out["Plaintext"], out["KeyId"]), (PLAINTEXT, key), "decrypt")


def walk_ring(keys):
    """Every origin encrypts, decrypts, and re-encrypts to the next."""
    blobs = {}
    for i, origin in enumerate(ORIGINS):
        key, following = keys[origin], keys[ORIGINS[(i + 1) % len(ORIGINS)]]
        blobs[origin] = kms.encrypt(KeyId=key, Plaintext=PLAINTEXT, EncryptionContext=CONTEXT)["CiphertextBlob"]
        opens(blobs[origin], key)
        out = kms.re_encrypt(
            CiphertextBlob=blobs[origin], SourceEncryptionContext=CONTEXT,
            DestinationKeyId=following, DestinationEncryptionContext=CONTEXT,
        )
        same((out["SourceKeyId"], out["KeyId"]), (key, following), "re_encrypt")
        opens(out["CiphertextBlob"], following)
        data = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
        same(kms.decrypt(CiphertextBlob=data["CiphertextBlob"])["Plaintext"], data["Plaintext"], "generate_data_key")
    return blobs


def wrong_calls(keys, blobs):
    """What cannot be found, is taken, or does not fit."""
    here = keys[SOFTWARE]
    refused(e.NotFoundException, f"Key '{NOWHERE}' does not exist", "describe_key", KeyId=NOWHERE)
    refused(e.NotFoundException, None, "encrypt", KeyId="alias/nobody", Plaintext=b"x")
    refused(e.InvalidCiphertextException, None, "decrypt", CiphertextBlob=b"no ciphertext of KMS")
    refused(e.InvalidCiphertextException, None, "decrypt", CiphertextBlob=blobs[SOFTWARE], EncryptionContext={"purpose": "Demo"})
    refused(e.InvalidCiphertextException, None, "decrypt", CiphertextBlob=blobs[CLUSTER])
    refused(
        e.KMSInvalidStateException,
        "The external key store proxy rejected the request because the specified ciphertext or additional "
        "authenticated data is corrupted, missing, or otherwise invalid.",
        "decrypt", CiphertextBlob=blobs[EXTERNAL],
    )
    refused(e.IncorrectKeyException, None, "decrypt", CiphertextBlob=blobs[SOFTWARE], EncryptionContext=CONTEXT, KeyId=keys[CLUSTER])
    refused(e.InvalidKeyUsageException, None, "sign", KeyId=here, Message=b"x", SigningAlgorithm="ECDSA_SHA_256")
    kms.create_alias(AliasName="alias/app", TargetKeyId=here)
    refused(e.AlreadyExistsException, None, "create_alias", AliasName="alias/app", TargetKeyId=here)
    refused(e.InvalidAliasNameException, None, "create_alias", AliasName="app", TargetKeyId=here)
    refused(e.MalformedPolicyDocumentException, None, "put_key_policy", KeyId=here, PolicyName="default", Policy="{")
    refused(e.UnsupportedOperationException, None, "enable_key_rotation", KeyId=keys[EXTERNAL])


def wrong_store_calls(stores):
    """The exceptions of custom key stores have types of their own."""
    external = stores[EXTERNAL]
    refused(e.CustomKeyStoreNotFoundException, None, "connect_custom_key_store", CustomKeyStoreId="cks-1234567890abcdef0")
    refused(e.CustomKeyStoreNameInUseException, None, "create_custom_key_store", **external_store())
    refused(e.XksProxyUriInUseException, None, "create_custom_key_store", **external_store(CustomKeyStoreName="other"))
    refused(e.CustomKeyStoreInvalidStateException, None, "delete_custom_key_store", CustomKeyStoreId=external)
    refused(
        e.XksKeyAlreadyInUseException, None, "create_key",
        Origin=EXTERNAL, CustomKeyStoreId=external, XksKeyId=os.environ["HYOK_XKS_KEY_ID"],
    )
    refused(
        e.XksKeyNotFoundException,
        "The external key store proxy rejected the request because it could not find the external key.",
        "create_key", Origin=EXTERNAL, CustomKeyStoreId=external, XksKeyId="nobody",
    )


def key_states(keys):
    """Disabled and pending deletion, on the key's own road."""
    key = keys[SOFTWARE]
    kms.disable_key(KeyId=key)
    refused(e.DisabledException, f"{key} is disabled.", "encrypt", KeyId=key, Plaintext=b"x")
    kms.enable_key(KeyId=key)
    kms.encrypt(KeyId="alias/app", Plaintext=b"x")
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "team", "TagValue": "red"}])
    same(kms.list_resource_tags(KeyId=key)["Tags"], [{"TagKey": "team", "TagValue": "red"}], "list_resource_tags")
    out = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    same((out["KeyId"], out["KeyState"]), (key, "PendingDeletion"), "schedule_key_deletion")
    refused(e.KMSInvalidStateException, f"{key} is pending deletion.", "encrypt", KeyId=key, Plaintext=b"x")
    kms.cancel_key_deletion(KeyId=key)
    same(kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "Disabled", "cancel_key_deletion")
    refused(e.KMSInvalidStateException, None, "cancel_key_deletion", KeyId=key)


def disconnect(stores, keys, blobs):
    key, store = keys[EXTERNAL], stores[EXTERNAL]
    kms.disconnect_custom_key_store(CustomKeyStoreId=store)
    until(store, "DISCONNECTED")
    unavailable = f"{key} is unavailable. You cannot perform this operation on an unavailable KMS key."
    refused(e.KMSInvalidStateException, unavailable, "decrypt", CiphertextBlob=blobs[EXTERNAL], EncryptionContext=CONTEXT)
    refused(
        e.CustomKeyStoreInvalidStateException, None, "create_key",
        Origin=EXTERNAL, CustomKeyStoreId=store, XksKeyId="another",
    )
    refused(e.CustomKeyStoreHasCMKsException, None, "delete_custom_key_store", CustomKeyStoreId=store)
    kms.connect_custom_key_store(CustomKeyStoreId=store)
    until(store, "CONNECTED")
    opens(blobs[EXTERNAL], key)


def main():
    stores = make_stores()
    keys = make_keys(stores)
    blobs = walk_ring(keys)
    wrong_calls(keys, blobs)
    wrong_store_calls(stores)
    key_states(keys)
    disconnect(stores, keys, blobs)
    same(len(kms.generate_random(NumberOfBytes=32)["Plaintext"]), 32, "generate_random")
    over_tls = new_client(endpoint_url=os.environ["HYOK_KMS_TLS_URL"], verify=os.environ["HYOK_CA_BUNDLE"])
    same(over_tls.describe_key(KeyId="alias/app")["KeyMetadata"]["Arn"], keys[SOFTWARE], "describe_key over TLS")
    print("every step as expected")


main()
