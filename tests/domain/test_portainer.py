"""The catalogue as Portainer's app templates, held against its format."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalog import load_catalog
from orchestrator.domain.distribution import Distribution, Login
from orchestrator.domain.portainer import templates
from orchestrator.settings import ROOT
from tests.support import WIKI

SITE = "https://try.example"
SECRET = "nobody's business"


SCHEMA = jsonschema_rs.validator_for(
    json.loads((Path(__file__).parent / "portainer.schema.json").read_text())
)


def checked(file: Any) -> Any:
    SCHEMA.validate(file)
    return file


def template(**changes: Any) -> Any:
    [only] = checked(templates([(WIKI.model_copy(update=changes), None)], SITE))["templates"]
    return only


def test_a_template_has_all_that_portainer_needs_to_run_the_image() -> None:
    file = templates([(WIKI, "/d/wiki/screenshot/1")], SITE)
    assert checked(file) == {
        "version": "3",
        "templates": [
            {
                "id": 1,
                "type": 1,
                "title": "Wiki 1",
                "description": "A wiki for tests.",
                "image": "test/wiki:1",
                "name": "wiki",
                "categories": ["wiki"],
                "platform": "linux",
                "logo": "https://try.example/d/wiki/screenshot/1",
                "note": '<p><a href="https://try.example/d/wiki">What is inside</a>, and a copy to '
                "try first. Sign in as <b>admin</b> at <code>/login</code>. The image is built on "
                "the server of that site; on any other machine, build it or push it to a registry "
                "first. What you do in it is kept in its container, and goes with it.</p>",
                "env": [
                    {
                        "name": "ADMIN_PASSWORD",
                        "label": "Password",
                        "description": "Choose one; you sign in as admin with it.",
                    }
                ],
                "ports": ["8080/tcp"],
                "restart_policy": "unless-stopped",
            }
        ],
    }


def test_every_distribution_that_comes_along_has_one() -> None:
    catalog = load_catalog(ROOT / "distributions")
    made = checked(templates([(each, None) for each in catalog], SITE))["templates"]
    assert [each["image"] for each in made] == [each.image.ref for each in catalog]
    assert [each["id"] for each in made] == [*range(1, len(catalog) + 1)]


@pytest.mark.parametrize("at_home", [True, False])
def test_a_value_is_told_only_where_visitors_are_told_it_anyway(at_home: bool) -> None:
    made = template(
        at_home=at_home, environment={"KEY": SECRET, "EMPTY": "", "ADMIN_PASSWORD": "x"}
    )
    password, *others = made["env"]
    assert "default" not in password
    if at_home:
        assert others == [{"name": "KEY", "label": "KEY", "default": SECRET, "preset": True}]
    else:
        assert [each["name"] for each in others] == ["KEY", "EMPTY"]
        assert SECRET not in str(made)


def test_a_fixed_password_is_not_told() -> None:
    login = Login(path="/login", user="admin", password=SECRET)
    assert SECRET not in str(template(login=login, at_home=True))


def test_what_a_file_says_is_text_in_the_note() -> None:
    login = Login(path="/<script>", user="<b>me</b>", password_env="KEY")
    note = template(login=login)["note"]
    assert "<script>" not in note and "&lt;script&gt;" in note and "&lt;b&gt;me" in note


def distributions() -> st.SearchStrategy[Distribution]:
    names = st.from_regex(r"[A-Z_][A-Z0-9_]{0,20}", fullmatch=True)
    changes = st.fixed_dictionaries(
        {
            "at_home": st.booleans(),
            "port": st.integers(1, 65535),
            "environment": st.dictionaries(names, st.text(max_size=50)),
            "login": st.none() | st.just(WIKI.login),
        }
    )
    return changes.map(lambda some: WIKI.model_copy(update=some))


@given(st.lists(distributions(), max_size=8))
def test_whatever_the_catalogue_holds_the_file_is_one_that_portainer_deploys(
    catalog: list[Distribution],
) -> None:
    made = checked(templates([(each, None) for each in catalog], SITE))["templates"]
    assert len({each["id"] for each in made}) == len(made) == len(catalog)
    for each in made:
        names = [variable["name"] for variable in each["env"]]
        assert len(names) == len(set(names))
        for variable in each["env"]:  # or Portainer's form could never be sent
            assert variable.get("default") or not variable.get("preset")
