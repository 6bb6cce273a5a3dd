"""The voices there are, and the operations that read them."""

from aiohttp import web

from .replies import error_reply, success_reply
from .routing import Route, Visit

_VOICES = (
    ("Aria", "American", "expressive", "middle-aged", "female", "social media"),
    ("Roger", "American", "confident", "middle-aged", "male", "social media"),
    ("Sarah", "American", "soft", "young", "female", "news"),
    ("George", "British", "warm", "middle-aged", "male", "narration"),
    ("Matilda", "Australian", "friendly", "young", "female", "conversational"),
)


def _voice(place: int) -> dict[str, object]:
    name, accent, description, age, gender, use_case = _VOICES[place]
    return {
        "name": name,
        "labels": {
            "accent": accent,
            "description": description,
            "age": age,
            "gender": gender,
            "use_case": use_case,
        },
        "voice_id": f"VOICE-{place + 1}",
        # `.invalid` never resolves: nobody can be sent a credential by following it.
        "preview_url": f"https://voices.talkstack.invalid/{name.lower()}.mp3",
    }


_LIST = [_voice(place) for place in range(len(_VOICES))]
_BY_ID = {str(voice["voice_id"]): voice for voice in _LIST}


async def list_voices(_: Visit) -> web.Response:
    """Read all voices."""
    return success_reply("voices fetched", voices=_LIST)


async def get_voice(visit: Visit) -> web.Response:
    """Read one voice. The message is that of the list, as printed."""
    voice = _BY_ID.get(visit.path_values["voice_id"])
    if voice is None:
        return error_reply(404, "voice not found")
    return success_reply("voices fetched", voice=voice)


VOICE_ROUTES = (
    Route(operation="listVoices", method="GET", path="/voices", handle=list_voices),
    Route(operation="getVoice", method="GET", path="/voices/{voice_id}", handle=get_voice),
)
