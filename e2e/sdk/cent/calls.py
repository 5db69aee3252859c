"""Makes calls of the server API by the official Python client, and says on stdout what it understood of the answers.

Arguments: the API's address, the key. On stdin comes one call a line: {"method": ..., "request": {...}}; a batch has a
list of calls in place of the request. For each, one line goes out: {"result": {...}} or {"error": code}.
"""

import json
import sys

from cent import Client, dto
from cent.exceptions import CentApiResponseError

client = Client(*sys.argv[1:])


def request_of(call):
    method, request = call["method"], call["request"]
    name = "".join(part.capitalize() for part in method.split("_"))
    if method == "batch":
        return dto.BatchRequest(requests=[request_of(one) for one in request])
    return getattr(dto, f"{name}Request")(**request)


def shown(result):
    if isinstance(result, dto.BatchResult):
        return {"replies": [shown(reply) for reply in result.replies]}
    return result.model_dump(exclude_none=True)


for line in sys.stdin:
    call = json.loads(line)
    try:
        result = getattr(client, call["method"])(request_of(call))
        answer = {"result": shown(result)}
    except CentApiResponseError as error:
        answer = {"error": error.code}
    print(json.dumps(answer), flush=True)
