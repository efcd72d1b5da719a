"""The families and base models a new portal knows. Loaded once by a migration; afterwards the admin is the truth.

Module names come from injecting LoRA into every architecture with the installed PEFT. Parameters and bytes are
those of the published safetensors; rounded where a repository has changed them since.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")
SEVEN = ATTENTION + MLP
FUSED = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
EXPERTS = (*MLP, "gate")
MLA = ("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj")
UNKNOWN = "Unknown"
APACHE = "apache-2.0"

NEEDS_CONV = "Packing fails without the causal_conv1d package."
NO_BALANCE_LOSS = "Trained without the experts' balance loss, which TRL cannot compute for it."
OTHER_LOSS = "TRL computes its loss without a step of the model's head, so that it would learn the wrong thing."


@dataclass(frozen=True)
class Family:
    """One row of ModelFamily; field names are the same."""

    name: str
    model_types: tuple[str, ...]
    name_patterns: tuple[str, ...]
    lora_targets: tuple[str, ...]
    lora_modules: tuple[str, ...] = ()
    expert_modules: tuple[str, ...] = ()
    supports_chat: bool = False
    position_table: bool = False
    supports_checkpointing: bool = True
    packing_leaks: bool = False
    untrainable: str = ""
    notes: str = ""

    def row(self) -> dict[str, object]:
        fields = asdict(self)
        fields["lora_modules"] = self.lora_modules or (self.lora_targets if self.name != UNKNOWN else ())
        return {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}


@dataclass(frozen=True)
class Model:
    """One row of BaseModel, with its family's name. `chat` None means: as its family."""

    name: str
    family: str
    parameters: int
    size_bytes: int
    context_length: int
    licence: str
    chat: bool | None = None
    gated: bool = False

    def row(self) -> dict[str, object]:
        fields = asdict(self)
        return {"supports_chat": fields.pop("chat"), **fields}


FAMILIES = (
    Family(UNKNOWN, (), (), ATTENTION, notes="Assumed for a model of no other family. Its modules are not known."),
    # The classic lines.
    Family("GPT-2", ("gpt2",), (r"gpt-?2",), ("c_attn", "c_proj"), ("c_attn", "c_proj", "c_fc"), position_table=True),
    Family("GPT", ("openai-gpt",), (r"openai-gpt",), ("c_attn", "c_proj"), ("c_attn", "c_proj", "c_fc"),
           position_table=True, supports_checkpointing=False, packing_leaks=True),
    Family("GPT-Neo", ("gpt_neo",), (r"gpt-neo-",),
           ("q_proj", "k_proj", "v_proj", "out_proj", "c_fc", "c_proj"), position_table=True),
    Family("GPT-J", ("gptj",), (r"gpt-?j",), ("q_proj", "k_proj", "v_proj", "out_proj", "fc_in", "fc_out"),
           position_table=True),
    Family("GPT-NeoX / Pythia", ("gpt_neox",), (r"gpt-neox", r"pythia"), FUSED),
    Family("OPT", ("opt",), (r"/opt-",), ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
           ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "project_in", "project_out"),
           position_table=True, packing_leaks=True),
    Family("Bloom", ("bloom",), (r"bloomz?",), FUSED, packing_leaks=True),
    Family("Falcon", ("falcon",), (r"falcon-\d+b", r"falcon-rw"), FUSED, packing_leaks=True),
    Family("MPT", ("mpt",), (r"/mpt-",), ("Wqkv", "out_proj", "up_proj", "down_proj"),
           position_table=True, packing_leaks=True),
    Family("CTRL", ("ctrl",), (r"/ctrl$",), ("Wq", "Wk", "Wv", "dense"), supports_checkpointing=False),
    Family("StarCoder", ("gpt_bigcode",), (r"starcoder(?!2)", r"santacoder"), ("c_attn", "c_proj"),
           ("c_attn", "c_proj", "c_fc"), position_table=True),
    Family("CodeGen", ("codegen",), (r"codegen-",), ("qkv_proj", "out_proj", "fc_in", "fc_out"), position_table=True),
    # Llama and its relatives: the seven projections.
    Family("Llama", ("llama",), (r"llama-?[23]", r"tinyllama", r"vicuna"), SEVEN, supports_chat=True,
           notes="Base models have no chat template."),
    Family("SmolLM", ("llama",), (r"smollm-?2?-\d",), SEVEN, supports_chat=True,
           notes="SmolLM 1 and 2, built as Llama. Base models have no chat template."),
    Family("SmolLM3", ("smollm3",), (r"smollm-?3",), SEVEN, supports_chat=True),
    Family("Mistral", ("mistral", "ministral", "ministral3"), (r"mistral-", r"ministral", r"zephyr"), SEVEN,
           supports_chat=True, notes="Base models have no chat template."),
    Family("Qwen2", ("qwen2",), (r"qwen-?(1\.5|2)", r"distill-qwen"), SEVEN, supports_chat=True,
           notes="Qwen2 and Qwen2.5. Base models carry a chat template too, but end a text with another token."),
    Family("Qwen3", ("qwen3",), (r"qwen-?3",), SEVEN, supports_chat=True),
    Family("Gemma", ("gemma", "gemma2", "gemma3_text", "gemma3"), (r"gemma-[23]", r"/gemma-\db"), SEVEN,
           supports_chat=True, notes="Gemma 1, 2 and 3. Base models have no chat template."),
    Family("OLMo", ("olmo", "olmo2", "olmo3"), (r"olmo",), SEVEN, supports_chat=True,
           notes="Base models have no chat template."),
    Family("Granite", ("granite",), (r"granite-",), SEVEN, supports_chat=True),
    Family("StableLM", ("stablelm",), (r"stablelm",), SEVEN, supports_chat=True),
    Family("Cohere", ("cohere", "cohere2"), (r"command-r", r"aya-"), SEVEN, supports_chat=True),
    Family("HyperCLOVA X", ("hyperclovax",), (r"hyperclovax",), SEVEN, supports_chat=True),
    Family("BitNet", ("bitnet",), (r"bitnet",), SEVEN, supports_chat=True),
    Family("Apertus", ("apertus",), (r"apertus",), (*ATTENTION, "up_proj", "down_proj"), supports_chat=True),
    # Their own names.
    Family("Phi", ("phi",), (r"phi-[12](?!\d)", r"phi-1_5"), ("q_proj", "k_proj", "v_proj", "dense"),
           ("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"), notes="Phi-1, 1.5 and 2: no chat template."),
    Family("Phi-3", ("phi3",), (r"phi-?[34]",), ("qkv_proj", "o_proj", "gate_up_proj", "down_proj"),
           supports_chat=True, notes="Phi-3, 3.5 and 4."),
    Family("StarCoder2", ("starcoder2",), (r"starcoder2",), (*ATTENTION, "c_fc", "c_proj")),
    Family("GLM-4", ("glm4", "glm"), (r"glm-?4-\d+b",), (*ATTENTION, "gate_up_proj", "down_proj"), supports_chat=True),
    Family("Gemma 4", ("gemma4_text",), (r"gemma-4",),
           (*SEVEN, "per_layer_input_gate", "per_layer_model_projection", "per_layer_projection"), supports_chat=True),
    Family("ModernBERT decoder", ("modernbert-decoder",), (r"ettin-decoder", r"modernbert-decoder"),
           ("q_proj", "k_proj", "v_proj", "Wo", "Wi", "dense"), untrainable=OTHER_LOSS),
    # Mixtures of experts. PEFT reaches the experts of some through their older names.
    Family("Mixtral", ("mixtral",), (r"mixtral",), ATTENTION, (*ATTENTION, "w1", "w2", "w3", "gate"),
           ("w1", "w2", "w3", "gate"), supports_chat=True, notes="Base models have no chat template."),
    Family("MiniMax", ("minimax",), (r"minimax",), (*ATTENTION, "out_proj", "output_gate", "qkv_proj"),
           (*ATTENTION, "out_proj", "output_gate", "qkv_proj", "w1", "w2", "w3", "gate"), ("w1", "w2", "w3", "gate"),
           supports_chat=True, packing_leaks=True),
    Family("Qwen3 MoE", ("qwen3_moe",), (r"qwen3-\d+b-a\d+b",), ATTENTION, (*ATTENTION, *EXPERTS), EXPERTS,
           supports_chat=True),
    Family("Qwen2 MoE", ("qwen2_moe",), (r"qwen1\.5-moe", r"qwen2-57b-a14b"), SEVEN, (*SEVEN, "shared_expert_gate"),
           supports_chat=True, notes="Targets reach attention and the shared expert only."),
    Family("OLMoE", ("olmoe", "flex_olmo"), (r"olmoe",), ATTENTION, (*ATTENTION, *EXPERTS), EXPERTS,
           supports_chat=True),
    Family("DeepSeek", ("deepseek_v2", "deepseek_v3"), (r"deepseek-(v[23]|r1$)",), MLA,
           ("q_proj", *MLA, *EXPERTS), EXPERTS, supports_chat=True),
    Family("ERNIE MoE", ("ernie4_5_moe",), (r"ernie-4\.5-\d+b-a\d+b",), ATTENTION, (*ATTENTION, *EXPERTS), EXPERTS,
           supports_chat=True),
    Family("GLM-4 MoE", ("glm4_moe",), (r"glm-4\.[5-9]",), ATTENTION, (*ATTENTION, *EXPERTS), EXPERTS,
           supports_chat=True),
    Family("dots", ("dots1",), (r"dots\.llm1",), ATTENTION, (*ATTENTION, *EXPERTS), EXPERTS, supports_chat=True),
    Family("Hunyuan MoE", ("hunyuan_v1_moe",), (r"hunyuan-a\d+b",), ATTENTION, (*ATTENTION, *MLP, "wg"), MLP,
           supports_chat=True),
    Family("GPT-OSS", ("gpt_oss",), (r"gpt-oss",), ATTENTION, supports_chat=True, packing_leaks=True,
           notes="Targets reach attention only, not the experts."),
    Family("Granite MoE", ("granitemoe", "granitemoehybrid"), (r"granite-.*-a\d+00m", r"granite-4"),
           ATTENTION, (*ATTENTION, "in_proj", "out_proj", "input_linear", "output_linear"), supports_chat=True,
           packing_leaks=True, notes=NO_BALANCE_LOSS),
    Family("Phi MoE", ("phimoe",), (r"phi-3\.5-moe",), ATTENTION, supports_chat=True, notes=NO_BALANCE_LOSS),
    Family("Llama 4", ("llama4_text", "llama4"), (r"llama-4",), SEVEN, supports_chat=True,
           untrainable="TRL cannot read the hidden states of this architecture."),
    # State-space models and hybrids.
    Family("Mamba", ("mamba", "falcon_mamba"), (r"mamba(?!2)",), ("in_proj", "x_proj"), packing_leaks=True),
    Family("Mamba-2", ("mamba2",), (r"mamba-?2",), ("in_proj",), packing_leaks=True),
    Family("RWKV", ("rwkv",), (r"rwkv",), ("key", "value", "receptance", "output"), packing_leaks=True),
    Family("Jamba", ("jamba",), (r"jamba",), (*SEVEN, "in_proj", "out_proj", "x_proj"), supports_chat=True,
           packing_leaks=True, notes="Targets do not reach the experts."),
    Family("LFM2", ("lfm2", "lfm2_moe"), (r"lfm2",),
           ("q_proj", "k_proj", "v_proj", "in_proj", "out_proj", "w1", "w2", "w3"), supports_chat=True,
           packing_leaks=True, notes=NEEDS_CONV),
    Family("Falcon H1", ("falcon_h1",), (r"falcon-h1",), (*SEVEN, "in_proj"), supports_chat=True, packing_leaks=True,
           notes=NEEDS_CONV),
    Family("Nemotron H", ("nemotron_h",), (r"nemotron-h", r"nemotron-nano-.*-v2"),
           (*ATTENTION, "in_proj", "up_proj", "down_proj"), supports_chat=True, packing_leaks=True, notes=NEEDS_CONV),
    Family("Qwen3 Next", ("qwen3_next",), (r"qwen3-next",), (*ATTENTION, "in_proj_qkvz", "in_proj_ba", "out_proj"),
           (*ATTENTION, "in_proj_qkvz", "in_proj_ba", "out_proj", "shared_expert_gate", *EXPERTS), EXPERTS,
           supports_chat=True, packing_leaks=True, notes=NEEDS_CONV),
    Family("Qwen3.5", ("qwen3_5_text", "qwen3_5_moe_text"), (r"qwen3\.5",),
           (*SEVEN, "in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a", "out_proj"),
           (*SEVEN, "in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a", "out_proj", "shared_expert_gate"),
           supports_chat=True, packing_leaks=True, notes=NEEDS_CONV),
    Family("RecurrentGemma", ("recurrent_gemma",), (r"recurrentgemma",),
           (*SEVEN, "linear_x", "linear_y", "linear_out"), supports_chat=True, packing_leaks=True,
           untrainable=OTHER_LOSS),
)  # fmt: skip

MODELS = (
    Model("openai-community/gpt2", "GPT-2", 124_439_808, 548_105_171, 1024, "mit"),
    Model("openai-community/gpt2-medium", "GPT-2", 354_823_168, 1_519_984_962, 1024, "mit"),
    Model("openai-community/gpt2-large", "GPT-2", 774_030_080, 3_247_159_078, 1024, "mit"),
    Model("openai-community/gpt2-xl", "GPT-2", 1_557_611_200, 6_431_829_964, 1024, "mit"),
    Model("distilbert/distilgpt2", "GPT-2", 81_912_576, 352_824_413, 1024, APACHE),
    Model("EleutherAI/gpt-neo-125m", "GPT-Neo", 125_198_592, 525_979_192, 2048, "mit"),
    Model("EleutherAI/gpt-neo-1.3B", "GPT-Neo", 1_315_575_808, 5_312_753_000, 2048, "mit"),
    Model("EleutherAI/gpt-j-6b", "GPT-J", 6_050_882_784, 24_203_531_000, 2048, APACHE),
    Model("EleutherAI/pythia-70m", "GPT-NeoX / Pythia", 70_426_624, 166_029_852, 2048, APACHE),
    Model("EleutherAI/pythia-160m", "GPT-NeoX / Pythia", 162_322_944, 374_998_696, 2048, APACHE),
    Model("EleutherAI/pythia-410m", "GPT-NeoX / Pythia", 405_334_016, 911_383_000, 2048, APACHE),
    Model("EleutherAI/pythia-1.4b", "GPT-NeoX / Pythia", 1_414_647_808, 2_930_000_000, 2048, APACHE),
    Model("EleutherAI/gpt-neox-20b", "GPT-NeoX / Pythia", 20_554_567_680, 41_293_000_000, 2048, APACHE),
    Model("facebook/opt-125m", "OPT", 125_239_296, 250_540_000, 2048, "other"),
    Model("facebook/opt-350m", "OPT", 331_196_416, 662_513_657, 2048, "other"),
    Model("facebook/opt-1.3b", "OPT", 1_315_758_080, 2_631_640_000, 2048, "other"),
    Model("bigscience/bloom-560m", "Bloom", 559_214_592, 1_118_459_450, 2048, "bigscience-bloom-rail-1.0"),
    Model("bigscience/bloom-1b7", "Bloom", 1_722_408_960, 3_444_848_602, 2048, "bigscience-bloom-rail-1.0"),
    Model("tiiuae/falcon-7b", "Falcon", 7_217_189_760, 14_434_412_000, 2048, APACHE),
    Model("tiiuae/falcon-7b-instruct", "Falcon", 7_217_189_760, 14_434_412_000, 2048, APACHE, chat=True),
    Model("mosaicml/mpt-7b", "MPT", 6_649_286_656, 13_298_600_000, 2048, APACHE),
    Model("meta-llama/Llama-2-7b-hf", "Llama", 6_738_415_616, 13_476_867_000, 4096, "llama2", chat=False, gated=True),
    Model("meta-llama/Llama-2-7b-chat-hf", "Llama", 6_738_415_616, 13_476_867_000, 4096, "llama2", gated=True),
    Model("meta-llama/Meta-Llama-3-8B", "Llama", 8_030_261_248, 16_060_556_000, 8192, "llama3", chat=False, gated=True),
    Model("meta-llama/Meta-Llama-3-8B-Instruct", "Llama", 8_030_261_248, 16_060_556_000, 8192, "llama3", gated=True),
    Model("meta-llama/Llama-3.1-8B", "Llama", 8_030_261_248, 16_060_556_000, 131_072, "llama3.1",
          chat=False, gated=True),
    Model("meta-llama/Llama-3.1-8B-Instruct", "Llama", 8_030_261_248, 16_060_556_000, 131_072, "llama3.1", gated=True),
    Model("meta-llama/Llama-3.2-1B", "Llama", 1_235_814_400, 2_471_645_608, 131_072, "llama3.2",
          chat=False, gated=True),
    Model("meta-llama/Llama-3.2-1B-Instruct", "Llama", 1_235_814_400, 2_471_645_608, 131_072, "llama3.2", gated=True),
    Model("meta-llama/Llama-3.2-3B-Instruct", "Llama", 3_212_749_824, 6_425_529_000, 131_072, "llama3.2", gated=True),
    Model("meta-llama/Llama-3.3-70B-Instruct", "Llama", 70_553_706_496, 141_107_500_000, 131_072, "llama3.3",
          gated=True),
    Model("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "Llama", 1_100_048_384, 2_200_119_864, 2048, APACHE),
    Model("HuggingFaceTB/SmolLM2-135M", "SmolLM", 134_515_008, 269_060_552, 8192, APACHE, chat=False),
    Model("HuggingFaceTB/SmolLM2-135M-Instruct", "SmolLM", 134_515_008, 269_060_552, 8192, APACHE),
    Model("HuggingFaceTB/SmolLM2-360M-Instruct", "SmolLM", 361_821_120, 723_674_912, 8192, APACHE),
    Model("HuggingFaceTB/SmolLM2-1.7B-Instruct", "SmolLM", 1_711_376_384, 3_422_777_952, 8192, APACHE),
    Model("HuggingFaceTB/SmolLM3-3B", "SmolLM3", 3_075_098_624, 6_150_240_000, 65_536, APACHE),
    Model("HuggingFaceTB/SmolLM3-3B-Base", "SmolLM3", 3_075_098_624, 6_150_240_000, 65_536, APACHE, chat=False),
    Model("mistralai/Mistral-7B-v0.1", "Mistral", 7_241_732_096, 14_483_498_000, 32_768, APACHE, chat=False),
    Model("mistralai/Mistral-7B-v0.3", "Mistral", 7_248_023_552, 14_496_080_000, 32_768, APACHE,
          chat=False, gated=True),
    Model("mistralai/Mistral-7B-Instruct-v0.3", "Mistral", 7_248_023_552, 14_496_080_000, 32_768, APACHE, gated=True),
    Model("mistralai/Mixtral-8x7B-v0.1", "Mixtral", 46_702_792_704, 93_405_600_000, 32_768, APACHE,
          chat=False, gated=True),
    Model("mistralai/Mixtral-8x7B-Instruct-v0.1", "Mixtral", 46_702_792_704, 93_405_600_000, 32_768, APACHE,
          gated=True),
    Model("Qwen/Qwen2-0.5B-Instruct", "Qwen2", 494_032_768, 988_097_824, 32_768, APACHE),
    Model("Qwen/Qwen2.5-0.5B", "Qwen2", 494_032_768, 988_097_824, 32_768, APACHE),
    Model("Qwen/Qwen2.5-0.5B-Instruct", "Qwen2", 494_032_768, 988_097_824, 32_768, APACHE),
    Model("Qwen/Qwen2.5-1.5B-Instruct", "Qwen2", 1_543_714_304, 3_087_467_144, 32_768, APACHE),
    Model("Qwen/Qwen2.5-3B-Instruct", "Qwen2", 3_085_938_688, 6_171_927_000, 32_768, "qwen-research"),
    Model("Qwen/Qwen2.5-7B-Instruct", "Qwen2", 7_615_616_512, 15_231_272_000, 32_768, APACHE),
    Model("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "Qwen2", 1_777_088_000, 3_554_214_000, 131_072, "mit"),
    Model("Qwen/Qwen3-0.6B", "Qwen3", 596_049_920, 1_503_300_328, 40_960, APACHE),
    Model("Qwen/Qwen3-1.7B", "Qwen3", 1_720_574_976, 4_063_515_640, 40_960, APACHE),
    Model("Qwen/Qwen3-4B", "Qwen3", 4_022_468_096, 8_044_982_000, 40_960, APACHE),
    Model("Qwen/Qwen3-8B", "Qwen3", 8_190_735_360, 16_381_517_000, 40_960, APACHE),
    Model("Qwen/Qwen3-30B-A3B", "Qwen3 MoE", 30_532_122_624, 61_066_000_000, 40_960, APACHE),
    Model("google/gemma-2b", "Gemma", 2_506_172_416, 5_012_367_760, 8192, "gemma", chat=False, gated=True),
    Model("google/gemma-2b-it", "Gemma", 2_506_172_416, 5_012_367_760, 8192, "gemma", gated=True),
    Model("google/gemma-2-2b", "Gemma", 2_614_341_888, 10_457_400_000, 8192, "gemma", chat=False, gated=True),
    Model("google/gemma-2-2b-it", "Gemma", 2_614_341_888, 5_228_717_512, 8192, "gemma", gated=True),
    Model("google/gemma-3-270m-it", "Gemma", 268_098_176, 536_223_056, 32_768, "gemma", gated=True),
    Model("google/gemma-3-1b-pt", "Gemma", 999_885_952, 1_999_811_208, 32_768, "gemma", chat=False, gated=True),
    Model("google/gemma-3-1b-it", "Gemma", 999_885_952, 1_999_811_208, 32_768, "gemma", gated=True),
    Model("microsoft/phi-1", "Phi", 1_418_270_720, 2_836_623_000, 2048, "mit"),
    Model("microsoft/phi-1_5", "Phi", 1_418_270_720, 2_836_623_000, 2048, "mit"),
    Model("microsoft/phi-2", "Phi", 2_779_683_840, 5_559_440_000, 2048, "mit", chat=False),
    Model("microsoft/Phi-3-mini-4k-instruct", "Phi-3", 3_821_079_552, 7_642_182_000, 4096, "mit"),
    Model("microsoft/Phi-3.5-mini-instruct", "Phi-3", 3_821_079_552, 7_642_182_000, 131_072, "mit"),
    Model("microsoft/Phi-4-mini-instruct", "Phi-3", 3_836_021_760, 7_672_067_000, 131_072, "mit"),
    Model("microsoft/phi-4", "Phi-3", 14_659_507_200, 29_319_042_000, 16_384, "mit"),
    Model("bigcode/starcoder2-3b", "StarCoder2", 3_030_371_328, 12_121_530_000, 16_384, "bigcode-openrail-m"),
    Model("allenai/OLMo-1B-hf", "OLMo", 1_176_764_416, 4_707_070_000, 2048, APACHE, chat=False),
    Model("allenai/OLMo-2-0425-1B", "OLMo", 1_484_916_736, 5_939_700_000, 4096, APACHE, chat=False),
    Model("allenai/OLMo-2-0425-1B-Instruct", "OLMo", 1_484_916_736, 2_969_850_000, 4096, APACHE),
    Model("ibm-granite/granite-3.3-2b-instruct", "Granite", 2_533_539_840, 5_067_120_000, 131_072, APACHE),
    Model("openai/gpt-oss-20b", "GPT-OSS", 20_914_757_184, 13_761_300_000, 131_072, APACHE),
)  # fmt: skip
