"""Tiny random models of many architectures: what transformers can build, shrunk until it trains in a second.

A configuration class says which sizes it has; each is given a small value by its name, so that most architectures need
no line of their own. `EXCEPTIONS` holds those whose parts must fit together in a way of their own.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from tests.tiny_models import CONTEXT

VOCABULARY = 512
_BY_SIZE: dict[int, str] = {
    VOCABULARY: "vocab_size vocab_size_per_layer_input",
    CONTEXT: "max_position_embeddings n_positions max_seq_len context_length",
    64: "intermediate_size n_inner ffn_dim ffn_hidden_size dff mamba_d_ssm sliding_window intermediate_size_mlp",
    32: """hidden_size n_embd d_model word_embed_proj_dim attention_hidden_size lru_width dim_model_base
           shared_intermediate_size""",
    16: "moe_intermediate_size shared_expert_intermediate_size mamba_chunk_size chunk_size attention_window_size",
    8: """head_dim v_head_dim kv_lora_rank q_lora_rank state_size ssm_state_size mamba_d_state mamba_n_heads
          mamba_d_head num_heads query_pre_attn_scalar hidden_size_per_layer_input linear_key_head_dim
          linear_value_head_dim mamba_num_heads mamba_head_dim""",
    4: """num_attention_heads n_head n_heads attention_heads rotary_dim num_local_experts num_experts
          n_routed_experts qk_rope_head_dim qk_nope_head_dim conv_kernel mamba_d_conv mamba_dt_rank time_step_rank
          linear_num_value_heads adapter_rank""",
    2: """num_hidden_layers n_layer n_layers num_layers num_key_value_heads num_experts_per_tok moe_topk expand
          mamba_expand n_mamba_heads linear_num_key_heads""",
    1: """n_group topk_group n_groups n_shared_experts first_k_dense_replace mamba_n_groups mamba_ngroups
          num_memory_blocks""",
}
SMALL = {name: size for size, names in _BY_SIZE.items() for name in names.split()}
DECODERS = (
    "afmoe", "apertus", "arcee", "aria_text", "biogpt", "bitnet", "bloom", "codegen", "cohere", "cohere2",
    "cohere2_moe", "cpmant", "ctrl", "cwm", "deepseek_v2", "deepseek_v3", "deepseek_v4", "diffllama", "doge",
    "dots1", "ernie4_5", "ernie4_5_moe", "exaone4", "exaone_moe", "falcon", "falcon_h1", "falcon_mamba",
    "flex_olmo", "flint", "gemma", "gemma2", "gemma3_text", "gemma4_text", "glm", "glm4", "glm4_moe",
    "glm4_moe_lite", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gpt_neox_japanese", "gpt_oss", "gptj",
    "granite", "granitemoe", "granitemoehybrid", "granitemoeshared", "helium", "hunyuan_v1_dense",
    "hunyuan_v1_moe", "hyperclovax", "internlm3", "jais2", "jamba", "jetmoe", "lfm2", "lfm2_moe", "llama",
    "llama4_text", "mamba", "mamba2", "mellum", "mimo_v2_flash", "minicpm3", "minimax", "minimax_m2", "ministral",
    "ministral3", "mistral", "mixtral", "modernbert-decoder", "mpt", "nanochat", "nemotron", "nemotron_h", "olmo",
    "olmo2", "olmo3", "olmo_hybrid", "olmoe", "openai-gpt", "opt", "persimmon", "phi", "phi3", "phimoe", "qwen2",
    "qwen2_moe", "qwen3", "qwen3_5_moe_text", "qwen3_5_text", "qwen3_moe", "qwen3_next", "recurrent_gemma",
    "rwkv", "seed_oss", "smollm3", "solar_open", "stablelm", "starcoder2", "vaultgemma", "xglm", "youtu",

)  # fmt: skip
OTHERS = (
    "bart", "bert", "big_bird", "bigbird_pegasus", "electra", "marian", "mbart", "pegasus", "prophetnet",
    "roberta",
)  # fmt: skip
"""Architectures that transformers also builds as language models, though they read both ways or translate."""
WITH_TOWERS = ("gemma3", "gemma4")
"""Language models with an encoder of pictures beside them, which training on text leaves alone."""
PARTS: dict[str, dict[str, str]] = {
    "gemma3": {"text_config": "gemma3_text", "vision_config": "siglip_vision_model"},
    "gemma4": {"text_config": "gemma4_text", "vision_config": "gemma4_vision"},
}
MIXED_LAYERS = ["linear_attention", "full_attention"]
EXCEPTIONS: dict[str, dict[str, Any]] = {
    "deepseek_v2": {"head_dim": 4, "num_key_value_heads": 4},
    "deepseek_v3": {"head_dim": 4, "num_key_value_heads": 4},
    "gemma3": {"mm_tokens_per_image": 4, "image_token_id": 300, "boi_token_id": 301, "eoi_token_id": 302},
    "siglip_vision_model": {"image_size": 28, "patch_size": 14},
    "falcon": {"num_kv_heads": 1, "alibi": False, "num_key_value_heads": None, "head_dim": None},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"]},
    "hunyuan_v1_moe": {"moe_topk": [2, 2]},
    "jamba": {
        "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1,
        "use_mamba_kernels": False,
    },
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "opt": {"do_layer_norm_before": True},
    "qwen3_5_moe_text": {"layer_types": MIXED_LAYERS},
    "qwen3_5_text": {"layer_types": MIXED_LAYERS},
    "qwen3_next": {"layer_types": MIXED_LAYERS},
    "recurrent_gemma": {"head_dim": None, "block_types": ["recurrent", "attention"]},
}  # fmt: skip


def tiny_config(kind: str) -> Any:
    """The configuration of an architecture by its model_type, every size of it small. None leaves a size out."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    configuration = CONFIG_MAPPING[kind]
    parameters = inspect.signature(configuration.__init__).parameters
    sizes = {name: size for name, size in SMALL.items() if name in parameters} | EXCEPTIONS.get(kind, {})
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    parts = {name: tiny_config(part).to_dict() for name, part in PARTS.get(kind, {}).items()}
    return configuration(**tokens, **parts, **{name: size for name, size in sizes.items() if size is not None})


def make_architecture(folder: Path, kind: str) -> Path:
    """Random weights of an architecture, the same every time, without a tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(tiny_config(kind)).save_pretrained(folder)
    return folder
