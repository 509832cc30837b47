"""
mllog.filters.issued: keys and tokens of services, found in any text.

No real key stands here: each is made of its prefix and random letters, so
that scanners of repositories find none.
"""

import json
import logging
import random
import string

import pytest

import mllog
from mllog.filters.issued import FORMS

GONE = "[redacted]"
ALNUM = string.ascii_letters + string.digits
HEX = string.hexdigits[:16]
UPPER = string.ascii_uppercase + string.digits
WORD = ALNUM + "-_"
#: By service: the prefix in two parts, the letters, and how many follow.
KEYS = {
    "huggingface": ("h", "f_", ALNUM, 34),
    "huggingface_org": ("api", "_org_", ALNUM, 34),
    "openai": ("s", "k-", ALNUM, 48),
    "openai_project": ("s", "k-proj-", WORD, 120),
    "openai_service": ("s", "k-svcacct-", WORD, 60),
    "openai_admin": ("s", "k-admin-", WORD, 60),
    "anthropic": ("s", "k-ant-api03-", WORD, 93),
    "openrouter": ("s", "k-or-v1-", HEX, 64),
    "deepseek": ("s", "k-", HEX, 32),
    "wandb": ("wandb", "_v1_", ALNUM, 77),
    "replicate": ("r", "8_", ALNUM, 37),
    "groq": ("g", "sk_", ALNUM, 52),
    "perplexity": ("p", "plx-", ALNUM, 48),
    "xai": ("x", "ai-", ALNUM, 80),
    "nvidia": ("n", "vapi-", WORD, 64),
    "pinecone": ("p", "csk_", ALNUM, 60),
    "langsmith": ("l", "sv2_pt_", HEX, 32),
    "langfuse": ("s", "k-lf-", HEX, 32),
    "tavily": ("t", "vly-", ALNUM, 32),
    "together": ("t", "gp_v1_", WORD, 43),
    "jina": ("j", "ina_", ALNUM, 48),
    "voyage": ("p", "a-", WORD, 43),
    "fireworks": ("f", "w_", ALNUM, 24),
    "elevenlabs": ("s", "k_", HEX, 48),
    "neptune": ("eyJhcGlf", "YWRkcmVzcyI6", ALNUM, 120),
    "databricks": ("d", "api", HEX, 32),
    "aws_id": ("A", "KIA", UPPER, 16),
    "aws_session_id": ("A", "SIA", UPPER, 16),
    "aws_bedrock": ("A", "BSK", ALNUM, 120),
    "google_api": ("A", "IzaSy", WORD, 33),
    "google_oauth": ("ya", "29.", WORD, 60),
    "google_client": ("GOC", "SPX-", WORD, 28),
    "alibaba": ("L", "TAI", ALNUM, 20),
    "digitalocean": ("do", "p_v1_", HEX, 64),
    "vault": ("h", "vs.", WORD, 90),
    "doppler": ("d", "p.pt.", ALNUM, 43),
    "pulumi": ("p", "ul-", HEX, 40),
    "planetscale": ("pscale", "_tkn_", WORD, 43),
    "supabase": ("s", "bp_", HEX, 40),
    "github": ("g", "hp_", ALNUM, 36),
    "github_oauth": ("g", "ho_", ALNUM, 36),
    "github_app": ("g", "hs_", ALNUM, 36),
    "github_fine": ("github", "_pat_", ALNUM, 82),
    "gitlab": ("gl", "pat-", WORD, 20),
    "gitlab_deploy": ("gl", "dt-", WORD, 20),
    "npm": ("n", "pm_", ALNUM, 36),
    "pypi": ("py", "pi-AgEIcHlwaS5vcmc", WORD, 70),
    "pypi_short": ("py", "pi-", ALNUM, 60),
    "docker": ("dckr", "_pat_", WORD, 27),
    "atlassian": ("ATA", "TT3xFfGF0", ALNUM, 180),
    "rubygems": ("ruby", "gems_", HEX, 48),
    "slack_bot": ("xo", "xb-123456789012-123456789012-", ALNUM, 24),
    "slack_user": ("xo", "xp-1234567890-", ALNUM, 32),
    "slack_app": ("x", "app-1-A0123456789-", HEX, 64),
    "stripe": ("s", "k_live_", ALNUM, 24),
    "stripe_test": ("s", "k_test_", ALNUM, 24),
    "stripe_hook": ("wh", "sec_", ALNUM, 32),
    "twilio_key": ("S", "K", HEX, 32),
    "twilio_account": ("A", "C", HEX, 32),
    "sendgrid": ("S", "G.", ALNUM, 22, ".", ALNUM, 43),
    "mailgun": ("k", "ey-", HEX, 32),
    "brevo": ("x", "keysib-", HEX, 64),
    "shopify": ("sh", "pat_", HEX, 32),
    "square": ("sq0", "atp-", WORD, 22),
    "newrelic": ("NR", "AK-", UPPER, 27),
    "grafana": ("gl", "sa_", ALNUM, 32),
    "sentry": ("sn", "tryu_", HEX, 64),
    "linear": ("lin", "_api_", ALNUM, 40),
    "postman": ("PM", "AK-", ALNUM, 59),
    "age": ("AGE-SECRET", "-KEY-1", UPPER, 58),
    "jwt": ("ey", "Jhbgci", ALNUM, 20, ".eyJ", ALNUM, 40, ".", WORD, 43),
    "discord": ("M", "", ALNUM, 23, ".", WORD, 6, ".", WORD, 38),
    "telegram": ("123456789", ":A", "A", 1, "", WORD, 33),
    "mailchimp": ("", "", HEX, 32, "-us1", "2", 1),
    "terraform": ("", "", ALNUM, 14, ".atlasv1.", WORD, 67),
    "azure_ad": ("aB1", "8Q~", WORD, 34),
    "airtable": ("p", "at", ALNUM, 14, ".", HEX, 64),
}


def made(*parts):
    """
    A key: texts as they are, and random ones of letters and a length.
    """
    rng = random.Random(str(parts))
    text = "".join(parts[:2])
    rest = list(parts[2:])
    while rest:
        letters, length, *rest = rest
        # the last is a letter or a digit, so that a word ends there
        text += "".join(rng.choices(letters, k=length - 1))
        text += rng.choice([each for each in letters if each.isalnum()])
        if rest:
            text += rest.pop(0)
    return text


def said(text):
    record = logging.makeLogRecord({"msg": text})
    return mllog.RedactingFilter().apply(record).getMessage()


@pytest.mark.parametrize("service", KEYS)
def test_redacting_finds_the_key_of_a_service_in_any_text(service):
    """
    Alone, in a sentence, quoted, in JSON, an address, a list and a command.
    """
    key = made(*KEYS[service])
    assert key not in said(key)
    for written in (
        "the answer for {} was 401",
        "sent '{}'.",
        '{{"note": "{}", "step": 3}}',
        "GET https://h/v1/{}/models?page=2",
        "GET https://h/v1?x={}&page=2",
        "['run', '{}', '--fast']",
        "run -k {} --fast",
        "x\n{}\ny",
    ):
        text = written.format(key)
        found = said(text)
        assert key not in found, text
        assert GONE in found
        assert found == said(found)
    record = logging.makeLogRecord({"msg": "m", "x": {"a": [key, {key: 1}]}})
    assert key not in repr(mllog.RedactingFilter().apply(record).x)


def test_every_form_finds_its_shortest_key():
    """
    Each prefix of the table, with as many letters as it needs.
    """
    letters = {"hex": HEX, "upper": UPPER}
    for kind, least, prefixes in FORMS:
        for prefix in prefixes.split():
            key = made(prefix, "4", letters.get(kind, ALNUM), max(least, 20))
            assert key not in said(f"a {key} b"), prefix


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn pipelines with sk-estimators",
        "sklearn.ensemble.RandomForestClassifier(n_estimators=100)",
        "task-abcdefghijklmnopqrstuvwxyz012345",
        "hf_transformers_model_for_causal_language_modeling_2",
        "npm_config_user_agent_of_this_machine_is_set_1",
        "AutoModelForSequenceClassification.from_pretrained",
        "s3://bucket/checkpoints/run-2026-11-30/step-00001000.safetensors",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "id 550e8400-e29b-41d4-a716-446655440000",
        "api-endpoints-of-the-serving-cluster-in-region-2",
        "pypi-server-of-the-internal-packages-mirror-2",
        "model.layers.31.self_attn.q_proj.lora_A.default.weight",
        "gpt-4o-mini-2024-07-18 and claude-sonnet-4-20250514",
        "meta-llama/Meta-Llama-3.1-70B-Instruct-AWQ-INT4",
        "ACCURACY ASIACUP SKU12345678",
        "torch==2.5.1+cu124 nvidia-cudnn-cu12==9.1.0.70",
        "projects/p-12345/locations/us-central1/endpoints/4815162342",
        "arn:aws:s3:::models/resnet50/2026/11/30/model.onnx",
        "docker.io/vllm/vllm-openai@sha256:" + "0f1e2d3c" * 8,
        "resnet50@v2.onnx",
        "q@k.transpose(-2, -1) and x@w.mT and icon@2x.png",
        "bert-base@v1.2 torch@2.1.dev0 pkg@1.2.3-beta.1",
        "https://registry:4873/@scope/package and https://medium.com/@ada",
        "loss 0.31 at http://localhost:8080/@vite/client",
    ],
)
def test_redacting_leaves_what_only_looks_like_a_key(text):
    """
    Names of models and modules, hashes, ids, versions and addresses.
    """
    assert text == said(text)
    document = json.dumps({"note": text})
    assert document == said(document)
