"""Secrets are where they must be, and nowhere else: looked for in all that others get to see."""

import json

import pytest

from tests.support import ADMIN_TOKEN, World

pytestmark = pytest.mark.anyio

SECRET_KEY = "s" * 32  # of the settings in tests


async def test_no_secret_is_in_logs_labels_or_what_others_see(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    async with world.client() as anna, world.client() as ben, world.admin() as admin:
        await anna.get("/")
        answer = await anna.post(
            "/api/v1/instances", json={"distribution": "wiki"}, headers={"Prefer": "wait=10"}
        )
        instance_id = answer.json()["id"]
        instance = await world.until(instance_id, lambda now: now.ready_at is not None)
        assert instance.password is not None
        cookies = list(anna.cookies.values())
        assert cookies
        secrets = [instance.password, ADMIN_TOKEN, SECRET_KEY, *cookies]

        host = f"{instance_id}.sandbox.localhost:8080"
        seen = {
            "Ben's site": (await ben.get("/")).text,
            "Ben's instances": (await ben.get("/api/v1/instances")).text,
            "Anna's instance, for Ben": (await ben.get(f"/api/v1/instances/{instance_id}")).text,
            "Anna's page, for Ben": (await ben.get(f"/instances/{instance_id}")).text,
            "Anna's host": (await ben.get("/", headers={"Host": host})).text,
            "the catalogue": (await ben.get("/api/v1/distributions")).text,
            "statistics": (await admin.get("/api/v1/stats")).text,
            "readiness": (await ben.get("/readyz")).text,
            "a wrong request": (await ben.post("/api/v1/instances", content=b"{")).text,
        }
        created = world.engine.host.containers[world.engine.name_of(instance_id)]
        seen["labels"] = json.dumps(created.labels)
        await anna.delete(f"/api/v1/instances/{instance_id}")

    seen["the service's log"] = "".join(capfd.readouterr())
    assert instance_id in seen["the service's log"]
    found = [
        (place, secret) for place, text in seen.items() for secret in secrets if secret in text
    ]
    assert found == []


async def test_the_password_is_in_the_environment_alone(world: World) -> None:
    instance = await world.launched()
    created = world.engine.host.containers[world.engine.name_of(instance.id)]

    assert created.environment["ADMIN_PASSWORD"] == instance.password
    assert instance.password not in json.dumps(created.labels)
