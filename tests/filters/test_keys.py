"""
mllog.filters.keys: which names say that their value is a secret.
"""

import json
import logging

import pytest

import mllog
from mllog.filters.keys import PARTS

GONE = "[redacted]"
#: Letters and digits, as a generator of passwords gives them.
SECRET = "-".join(("vK7q", "Zr2m", "X9tB"))

#: What models, trainers and services measure, with a value as it is logged.
MEASURED = """
inter_token_latency time_to_first_token time_per_output_token ttft tpot itl
tokens tokens_per_second tokens_per_sec tokens_per_second_per_gpu tok_per_s
token_throughput token_rate tokens_total total_tokens num_tokens n_tokens
token_count prompt_tokens completion_tokens input_tokens output_tokens
cached_tokens cached_input_tokens reasoning_tokens audio_tokens image_tokens
text_tokens video_tokens accepted_prediction_tokens
rejected_prediction_tokens max_tokens max_new_tokens min_new_tokens
max_completion_tokens max_output_tokens min_tokens new_tokens tokens_seen
tokens_processed num_tokens_seen tokens_in_batch batch_tokens
max_num_batched_tokens padded_tokens num_padding_tokens pad_tokens
tokens_per_expert expert_tokens dropped_tokens token_drop_rate token_dropout
token_loss token_loss_mean loss_per_token nll_per_token kl_per_token
bits_per_token flops_per_token cost_per_token seconds_per_token ms_per_token
joules_per_token energy_per_token price_per_token latency_per_token
mean_token_accuracy token_accuracy token_acc token_f1 token_precision
token_recall token_error_rate token_entropy mean_token_entropy
token_perplexity token_logprob token_logprobs token_prob token_probability
first_token_latency first_token_seconds first_token_ms next_token_latency
last_token_latency per_token_latency per_token_ms token_latency_p50
token_latency_p99 token_latency_ms p99_token_latency generation_tokens
generation_tokens_total prompt_tokens_total request_prompt_tokens
request_generation_tokens request_success_tokens iteration_tokens_total
num_generated_tokens generated_tokens tokens_generated draft_tokens
num_draft_tokens accepted_tokens num_accepted_tokens
token_acceptance_rate draft_acceptance_rate spec_decode_num_draft_tokens
kv_cache_tokens tokens_in_kv_cache prefix_cache_hit_tokens
prefix_cache_queries token_budget token_limit token_quota
token_bucket_size token_bucket_level token_usage token_position token_index
token_id token_ids bos_token_id eos_token_id pad_token_id unk_token_id
decoder_start_token_id forced_bos_token_id image_token_id image_token_index
token_type_ids token_length token_len avg_token_length vocab_tokens
special_tokens_count unique_tokens oov_tokens masked_tokens masked_token_ratio
num_masked_tokens token_embedding_norm token_embeddings_norm
token_embedding_grad_norm token_shift token_merging_ratio token_keep_rate
token_pruning_ratio visual_tokens vision_tokens num_image_tokens
tokenizer_seconds tokenizer_latency tokenization_time tokenize_ms
detokenize_seconds detokenization_latency tokenizer_vocab_size
tokenizer_max_length stop_token_hits stop_tokens_hit thinking_tokens
thinking_token_budget tool_tokens system_tokens history_tokens context_tokens
truncated_tokens token_overflow tokens_truncated tokens_left tokens_remaining
remaining_tokens ratelimit_remaining_tokens x_ratelimit_remaining_tokens
tokens_per_minute tpm active_sessions sessions sessions_total session_count
num_sessions open_sessions concurrent_sessions session_duration
session_duration_seconds session_seconds session_length session_length_mean
session_age session_requests requests_per_session messages_per_session
session_turns turns_per_session session_timeouts sessions_created
sessions_expired session_hit_rate session_cache_hits session_pool_size
session_create_latency inference_session_seconds session_run_ms
session_index session_step sessions_per_user session_bounce_rate
session_idle_seconds auth_latency auth_latency_ms auth_errors auth_failures
auth_requests auth_duration_seconds auth_rate auth_attempts auth_time_ms
auth_cache_hits auth_timeouts authorization_latency authorization_errors
authorization_seconds cookie_count cookies cookie_bytes cookie_size
cookies_dropped secrets_found secret_count num_secrets secrets_scanned
secret_scan_seconds secrets_rotated credentials_expired credential_age_days
credential_errors credential_refresh_seconds password_length
password_attempts password_failures password_age_days passwords_checked
password_reset_count csrf_failures csrf_errors jwt_errors jwt_verify_seconds
jwt_age_seconds jwt_bytes api_key_count api_keys api_key_errors
api_key_requests api_key_age_days access_key_age_days bearer_errors
otp_attempts otp_failures pin_attempts pins pin_count pin_memory pin_mem_bytes
sid sig pass passes pass_count pass_rate passed pass_at_1 pass_at_10
forward_pass backward_pass forward_pass_ms forward_pass_seconds
backward_pass_seconds first_pass second_pass num_passes fwd_pass_ms
bwd_pass_ms optimizer_pass prefill_pass_ms decode_pass_ms bypass bypassed
compass bandpass lowpass_cutoff highpass_cutoff surpassed possession
possession_rate key_dim num_keys key_size keys key_norm query_key_norm
kv_heads key_cache_bytes cache_key_hits key_padding_ratio primary_key_errors
partition_key_skew keyword_count keypoints keypoint_error keyframes
attention_key_norm signature_count signature_seconds signal_to_noise
author_count authors authenticated_requests sidecar_ms spinning_seconds
opinion_score pinned_bytes shopping_items passengers secretary_calls
mAP@0.5 mAP@0.75 mAP@0.5:0.95 mAP@[.5:.95] AP@0.5 AR@100 AP@IoU=0.50
recall@1 recall@5 recall@10 precision@5 precision@10.val ndcg@10 ndcg@10.test
hits@1 hit@10 hit_rate@5 mrr@10 map@10 top@5 acc@1 acc@5.mean pass@1 pass@10
pass@k maj@8 cons@64 R@1 R@5.val P@10 metrics/mAP50-95 metrics/mAP50(B)
val/recall@20.mean val/mAP@0.5 f1@0.5 iou@0.75 success@1 wer@beam5 best@n.acc
""".split()
#: Names whose values are words, and no secrets.
DESCRIBING = {
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "bos_token": "<s>",
    "unk_token": "[UNK]",
    "mask_token": "[MASK]",
    "special_tokens": "<|im_start|>",
    "tokenizer": "bert-base",
    "tokenizer_name": "cl100k_base",
    "tokenizerClass": "LlamaTokenizer",
    "token_type": "bearer",
    "auth_method": "oidc",
    "auth_type": "basic",
    "session_name": "nightly",
    "secret_name": "db-login",
    "session_type": "interactive",
    "token_expires_at": "2026-11-30T12:00:00Z",
    "password_policy": "strict",
    "credential_source": "environment",
    "pin_memory_device": "cuda",
    "forward_pass": "done",
    "bypass": "off",
    "signature_name": "serving_default",
    "author": "Ada",
    "monkey": "chimp",
    "primary_key": "id",
    "cache_key": "resnet50-b8",
    "partition_key": "day",
    "public_key_id": "k1",
    "compass": "north",
}
#: Names of secrets, of servers and of what trains and serves models.
SECRETS = """
DB_PASS DB_PASSWORD SMTP_PASS MYSQL_PASS POSTGRES_PASSWORD PGPASSWORD
REDIS_PASS FTP_PASS user_pass userPass dbPass rootpass ADMIN_PASS mail_pass
db_pw DB_PWD ldap_passwd passphrase ssh_passphrase master_password
masterKey MASTER_KEY encryptionKey secret_key SECRET_KEY_BASE app_secret
APP_KEY client_secret clientSecret consumer_key consumer_secret private_key
privateKeyPem PRIV_KEY signing_key jwt JWT_SECRET jwtToken session sessionid
session_id session_token SESSION_KEY PHPSESSID JSESSIONID ASP.NET_SessionId
connect.sid sid cookie Set-Cookie csrftoken X-CSRF-Token xsrf_token
authorization Proxy-Authorization auth X-Auth-Token authToken _authToken
access_token refresh_token id_token bearer_token api_token apiToken API_KEY
x-api-key api.key apikey access_key AccessKeyId aws_access_key_id
AWS_SECRET_ACCESS_KEY aws_session_token X-Amz-Signature X-Amz-Credential
X-Amz-Security-Token X-Goog-Signature account_key AccountKey
SharedAccessKey SharedAccessSignature sas_token connection_string
ConnectionString AZURE_STORAGE_CONNECTION_STRING AZURE_CLIENT_SECRET
AZURE_STORAGE_KEY AZURE_OPENAI_KEY subscription-key
Ocp-Apim-Subscription-Key instrumentation_key google_api_key
GOOGLE_CREDENTIALS gcp_credentials HF_TOKEN HUGGING_FACE_HUB_TOKEN hf_key
huggingface_token OPENAI_API_KEY OPENAI_KEY openai_key ANTHROPIC_API_KEY
anthropic_key WANDB_API_KEY WANDB_KEY NEPTUNE_API_TOKEN COMET_API_KEY
comet_key REPLICATE_API_TOKEN GROQ_API_KEY groq_key COHERE_API_KEY
CO_API_KEY cohere_key MISTRAL_API_KEY mistral_key DATABRICKS_TOKEN
PINECONE_API_KEY pinecone_key LANGCHAIN_API_KEY KAGGLE_KEY NGC_API_KEY
MLFLOW_TRACKING_PASSWORD MLFLOW_TRACKING_TOKEN CLEARML_API_SECRET_KEY
SNOWFLAKE_PASSWORD GITHUB_TOKEN GH_TOKEN GITHUB_PAT gitlab_token
CI_JOB_TOKEN NPM_TOKEN PYPI_TOKEN TWINE_PASSWORD DOCKER_PASSWORD
SLACK_TOKEN SLACK_BOT_TOKEN slack_signing_secret STRIPE_SECRET_KEY
stripe_key TWILIO_AUTH_TOKEN SENDGRID_API_KEY sendgrid_key MAILGUN_API_KEY
license_key LICENSE_KEY service_key deploy_key fernet_key FERNET_KEY hmac_key
ssh_key SSH_PRIVATE_KEY gpg_key rsa_key tls_key ssl_key_password
vault_token VAULT_TOKEN otp totp pin cvv cvc ssn psk wifi_psk dsn SENTRY_DSN
recovery_code backup_codes verification_code security_code creds credentials
contraseña contrasena passwort mot_de_passe pwd key_pass storePass
one_time_password one_time_token new_password old_password password_2
db.password_2 x_token my_token the_token api%5Fkey ＰＡＳＳＷＯＲＤ
""".split()


def value_of(place):
    return (12, 0.25, 4096)[place % 3]


def cleaned(message="m", **fields):
    record = logging.getLogger("x").makeRecord(
        "app", 20, "/app/serve.py", 1, message, (), None, "f", fields
    )
    return mllog.RedactingFilter().apply(record)


def test_measured_names_are_the_table_of_three_hundred():
    """
    300 different names of models, training and services are tried.
    """
    assert 300 <= len(set(MEASURED))
    assert 150 <= len(set(SECRETS))


def test_redacting_of_measured_names_leaves_their_numbers():
    """
    As a field, in ``metrics`` and in a mapping, alone and all together.
    """
    given = {name: value_of(n) for n, name in enumerate(MEASURED)}
    whole = mllog.RedactingFilter(max_items=5000)
    record = logging.makeLogRecord({"msg": "m", "metrics": given, **given})

    assert whole.apply(record) is record
    changed = []
    for name, value in given.items():
        one = logging.makeLogRecord({name: value, "metrics": {name: value}})
        if mllog.RedactingFilter().apply(one) is not one:
            changed.append(name)
    assert [] == changed


@pytest.mark.parametrize(
    "written",
    [
        "eval {name}={value}",
        "eval {name}: {value}",
        "{name} = {value}, next",
        "step 3 | {name}: {value} | lr: 0.1",
        '{{"{name}": {value}, "step": 3}}',
        "{{'{name}': {value}}}",
        "{name}={value}ms",
        "{name}: [{value}, {value}]",
        "--{name} {value}",
        '{{"metrics": {{"{name}": "{value}"}}}}',
        "<{name}>{value}</{name}>",
        "curl http://h/q?{name}={value}&page=2",
    ],
)
def test_redacting_of_text_leaves_measured_names_and_numbers(written):
    """
    In messages, JSON texts, reprs, command lines, XML and addresses.
    """
    texts = [
        written.format(name=name, value=value_of(n))
        for n, name in enumerate(MEASURED)
    ]

    changed = [
        (text, cleaned(text).msg)
        for text in texts
        if cleaned(text).msg != text
    ]

    assert [] == changed


def test_redacting_of_measured_arguments_leaves_them():
    """
    ``%`` arguments behind a measured name stay, whatever their type.
    """
    changed = []
    for n, name in enumerate(MEASURED):
        message = name.replace("%", "%%") + "=%s"
        record = logging.makeLogRecord(
            {"msg": message, "args": (value_of(n),)}
        )
        if mllog.RedactingFilter().apply(record) is not record:
            changed.append(name)

    assert [] == changed


@pytest.mark.parametrize(("name", "value"), DESCRIBING.items())
def test_redacting_of_a_describing_name_leaves_its_words(name, value):
    """
    A word that tells about a secret, or that a model knows, is none.
    """
    record = logging.makeLogRecord(
        {"msg": "m", name: value, "x": {name: value}}
    )

    assert mllog.RedactingFilter().apply(record) is record
    text = f"{name}='{value}' {json.dumps({name: value})}"
    assert text == cleaned(text).msg


@pytest.mark.parametrize("name", SECRETS)
def test_redacting_of_a_secret_name_finds_it_however_it_is_written(name):
    """
    As field, key and pair, in text, JSON, environment, address and command.
    """
    found = cleaned(
        headers={name: SECRET}, pair=[name, SECRET], **{name: SECRET}
    )

    assert GONE == found.__dict__[name]
    assert {name: GONE} == found.headers
    assert [name, GONE] == found.pair
    for written in (
        "{name}={value}",
        "{name}: {value}",
        '{name} = "{value}"',
        '{{"{name}": "{value}"}}',
        "{{'a': 1, '{name}': '{value}'}}",
        "http://h/a?{name}={value}&page=2",
        "<{name}>{value}</{name}>",
    ):
        if written[0] == "<" and not name.replace("_", "").isalnum():
            continue  # no name of an element
        text = written.format(name=name, value=SECRET)
        assert SECRET not in cleaned(text).msg, text


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_found_in_a_longer_name(part):
    """
    Each of the parts, in the ways that names are written.
    """
    for name in (part, f"x_{part}", part.upper(), part.replace("_", "-")):
        assert GONE == cleaned(x={name: SECRET}).x[name], name


def test_redacting_of_numbers_under_a_secret_name_hides_them():
    """
    A password or a PIN of digits is one; a count of them is not.
    """
    names = ["password", "pin", "otp", "verification_code", "one_time_token"]

    found = cleaned(x=dict.fromkeys(names, 481516))

    assert dict.fromkeys(names, GONE) == found.x


def test_redacting_of_usage_leaves_nested_counts():
    """
    What OpenAI's interface says of its tokens is numbers at two levels.
    """
    usage = {
        "prompt_tokens": 12,
        "completion_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": None},
        "completion_tokens_details": {"reasoning_tokens": 4, "by": [1, 2]},
    }
    record = logging.makeLogRecord({"msg": "m", "usage": usage})

    assert mllog.RedactingFilter().apply(record) is record
    text = json.dumps({"usage": usage})
    assert text == cleaned(text).msg


# --- keys that are secrets themselves ---------------------------------------


def test_redacting_of_keys_keeps_every_value_under_its_own():
    """
    Addresses as keys, at any level, are numbered and never merged.
    """
    people = {f"user{n}@example.com": n for n in range(50)}
    taken = {GONE: "a", f"{GONE}_2": "b", **people}

    found = cleaned(x={"people": people, "taken": taken})

    assert list(range(50)) == list(found.x["people"].values())
    assert 52 == len(found.x["taken"])
    assert ("a", "b") == (
        found.x["taken"][GONE],
        found.x["taken"][f"{GONE}_2"],
    )
    assert "@" not in repr(found.x)


def test_redacting_of_field_names_keeps_every_field():
    """
    The name of a field can be an address too.
    """
    record = logging.makeLogRecord(
        {"msg": "m", "ada@example.com": 1, "bob@example.com": "b", "ok": 2}
    )

    found = mllog.RedactingFilter().apply(record)

    assert "@" not in repr(found.__dict__)
    assert (1, "b", 2) == (
        found.__dict__[GONE],
        found.__dict__[f"{GONE}_2"],
        found.ok,
    )
    assert 1 == record.__dict__["ada@example.com"]


def test_redacting_with_allow_leaves_the_name_of_a_field():
    """
    What is allowed keeps its name and its value.
    """
    record = logging.makeLogRecord({"msg": "m", "ada@example.com": "x"})

    keeps = mllog.RedactingFilter(allow=["ada@example.com"])

    assert keeps.apply(record) is record
