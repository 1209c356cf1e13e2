"""What a user does, over REST alone: sign in, register a potential, submit it, follow it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from deploy.demo.stack import DemoError


class Refused(DemoError):
    """The service answered with a problem; ``problem`` is its RFC 9457 body."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        try:
            self.problem: dict[str, Any] = response.json()
        except ValueError:
            self.problem = {"title": response.reason, "detail": response.text[:300]}
        details = [e.get("detail", "") for e in self.problem.get("errors", [])]
        text = " ".join([str(self.problem.get("detail", "")), *details])
        super().__init__(f"{response.request.method} {response.url}: {self.status} {text}")


@dataclass
class Client:
    url: str
    token: str = ""

    def _call(self, method: str, path: str, **arguments: Any) -> Any:  # noqa: ANN401  (JSON)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        address = path if path.startswith("http") else f"{self.url}/api/v1{path}"
        response = requests.request(method, address, headers=headers, timeout=120, **arguments)
        if not response.ok:
            raise Refused(response)
        return response.json() if response.content else None

    def sign_in(self, username: str, password: str) -> None:
        answer = self._call(
            "POST",
            "/tokens/",
            json={"username": username, "password": password, "name": "demo", "expires_in_days": 7},
        )
        self.token = answer["token"]

    def ensure_potential(self, card: dict[str, Any]) -> None:
        try:
            self._call("POST", "/potentials/", json=card)
        except Refused as refused:
            # An earlier demo has registered it.
            if refused.status != requests.codes.conflict:
                raise

    def submit(self, fields: dict[str, Any], artifact: Path) -> str:
        """Upload an artifact's bytes; return the submission's id, an earlier one's if it exists."""
        content = artifact.read_bytes()
        form = {**fields, "sha256": hashlib.sha256(content).hexdigest()}
        form["settings"] = json.dumps(form.get("settings", {}))
        if form.get("supported_elements") is None:
            form.pop("supported_elements", None)
        else:
            form["supported_elements"] = json.dumps(form["supported_elements"])
        try:
            answer = self._call(
                "POST", "/submissions/", data=form, files={"artifact": (artifact.name, content)}
            )
        except Refused as refused:
            existing = refused.problem.get("existing")
            if refused.status == requests.codes.conflict and existing:
                return str(existing).rstrip("/").rsplit("/", 1)[-1]
            raise
        return str(answer["id"])

    def evaluations(self) -> list[dict[str, Any]]:
        """All current evaluations that this user may see, oldest first."""
        found: list[dict[str, Any]] = []
        path: str | None = "/evaluations/?page_size=200"
        while path:
            page = self._call("GET", path)
            found += page["results"]
            path = page["next"]
        return found[::-1]

    def leaderboard(self, benchmark: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._call("GET", f"/leaderboards/{benchmark}/")
        return answer

    def task_leaderboard(self, task: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._call("GET", f"/tasks/{task}/leaderboard/")
        return answer
