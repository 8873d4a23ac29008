"""The demo and its small real data.

clips.jsonl: 240 sentences written for this project, spoken by three open speech-synthesis voices
(slt, rms, awb), degraded to three audio sampling rates and recognised by a real recogniser. One
object a line: id, voice, reference, audio_s, and for 16k, 8k and 6k: hypothesis_*, decode_s_*.

clips_text.npy, clips_speech_*.npy: float16 [240, 384], unit vectors of a MiniLM sentence encoder,
of the references and of what was recognised at each rate; row i belongs to line i of clips.jsonl.
clips_speech_part.npy: float16 [3, 2, 240, 384], by rate the same encoder's of the first three
quarters and the first half of the words recognised (rounded up).
"""
