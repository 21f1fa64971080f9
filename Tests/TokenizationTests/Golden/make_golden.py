"""Writes golden.json: what transformers makes of varied texts.

Run with transformers 4.57.6 and sentencepiece installed, from anywhere:

    python Tests/TokenizationTests/Golden/make_golden.py

Every case has the ids of T5Tokenizer (legacy, the default) over models/polyprompt-mini/spiece.model and of
ByT5Tokenizer, and T5Tokenizer's text for those ids without pad, end-of-sequence and unknown. Texts that spell
control tokens (</s>, <pad>, <unk>) are absent on purpose: transformers makes control ids of them.
"""

import json
import logging
import pathlib

logging.disable(logging.WARNING)
from transformers import ByT5Tokenizer, T5Tokenizer  # noqa: E402

here = pathlib.Path(__file__).resolve().parent
model = here.parents[2] / "models" / "polyprompt-mini" / "spiece.model"

sentences = [
    "The film is a quiet triumph, and its last scene stays with you.",
    "Please move my appointment to next Thursday at 3:45 p.m.",
    "why does my card keep getting declined at the petrol station?!",
    "“Curly quotes” — em-dash, en–dash, ellipsis… and 'straight' ones",
    "premise: A man plays guitar. hypothesis: Nobody makes music.",
    "e-mail: someone+tag@example.org, URL: https://example.org/a?b=c&d=%20#frag",
    "def f(x):\n    return {\"a\": x ** 2, 'b': [1, 2, 3]}  # comment\n",
    "SELECT * FROM t WHERE a <> b AND c <= 10;",
    "3.14159 -273.15 1e-9 1,234,567 0x1F4A9 50% $9.99 €5 £3 ¥100 ₿1",
    "UPPER lower Title cAmElCaSe snake_case kebab-case CONSTANT_CASE",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
]
spaces = [
    "", " ", "   ", "\t", "\n", "\r\n", " leading", "trailing ", "  two  spaces  ", "tab\tseparated\ttext",
    "line\nfeed\n\nparagraph", "carriage\r\nreturn", "no\u00a0break\u00a0space", "ideographic\u3000space",
    "em\u2003en\u2002thin\u2009hair\u200a", "zero\u200bwidth\u200cnon\u200djoiner\ufeffmark",
    "vertical\x0btab form\x0cfeed", "next\u0085line\u2028separator\u2029paragraph", "word▁with▁its▁own▁marker",
    "▁", "▁▁a", "a\x00b", "\x00", "bell\x07escape\x1bdelete\x7f",
]
scripts = [
    "Zażółć gęślą jaźń", "Füße größer Übermut", "L'été dernier, à Besançon, où est-ce ?", "¿Qué pasó, señor?",
    "Съешь же ещё этих мягких булок", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία", "שלום עולם", "مرحبا بالعالم",
    "नमस्ते दुनिया", "สวัสดีชาวโลก", "你好，世界！", "こんにちは世界", "안녕하세요 세계", "Tiếng Việt có dấu",
    "İstanbul ıssız", "ĳssel ﬁnd ﬂow oﬀice", "mixed 中文 and English テキスト",
]
unicode = [
    "emoji 😀 👍🏽 👩‍👩‍👧‍👦 🇩🇪 ❤️", "cafe\u0301 vs caf\u00e9", "a\u0308\u0323 o\u0323\u0308", "Å Å Å",
    "ＦＵＬＬＷＩＤＴＨ １２３", "½ ¼ ² ³ ™ № ℃ Ⅷ", "ﷺ", "㍿ ㎏ ㈱", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝕄𝕒𝕥𝕙", "ｶﾞｷﾞｸﾞ", "\u1100\u1161\u11a8",
    "\ufffd replacement", "\ue000 private \U0010ffff", "soft\u00adhyphen", "\u202eright to left\u202c", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!",
    "combining first \u0301x", "~`!@#$%^&*()_+-={}[]|\\:;\"'<>,.?/",
]
sentinels = [
    "<extra_id_0>", "<extra_id_99>", "<extra_id_0><extra_id_1>", "<extra_id_0> <extra_id_1>", "Hello <extra_id_0>.",
    "Thank you <extra_id_0> me to your party <extra_id_1> week.", "<extra_id_0> for inviting <extra_id_1> last",
    "a<extra_id_5>b", "  <extra_id_5>  ", "\u00a0<extra_id_3>\u2003x\x1c<extra_id_4>\u0085y",
    "x\u200b<extra_id_3>\u200by", "<extra_id_100>", "<extra_id_00>", "<extra_id_01>", "<extra_id_>", "<extra_id_1",
    "extra_id_1>", "<EXTRA_ID_1>", "<extra_id_ 1>", "<extra_<extra_id_5>", "<<extra_id_7>>", "<extra_id_-1>",
    "<extra_id_1><extra_id_2", "<extra_id_99999999999999999999>", "<extra_id_٣>", "▁<extra_id_1>▁",
    "<extra_id_0>" * 20, "The <extra_id_0> walks\n\n<extra_id_1>\n\nin <extra_id_2> park <extra_id_3>",
]
long = [" ".join(sentences) * 10, "x" * 3000, "語" * 1000, "word " * 2000, "".join(scripts) * 20]

t5 = T5Tokenizer(str(model))
byt5 = ByT5Tokenizer()
cases = []
for text in sentences + spaces + scripts + unicode + sentinels + long:
    ids = t5(text).input_ids
    kept = [i for i in ids if i > 2]
    cases.append({
        "text": text,
        "t5": ids,
        "t5_decoded": t5.decode(kept, clean_up_tokenization_spaces=False) if kept else "",
        # The bytes of long texts would only make the file long.
        "byt5": byt5(text).input_ids if len(text) < 500 else None,
    })
lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
(here / "golden.json").write_text(f"[\n{lines}\n]\n")
print(len(cases), "cases")
