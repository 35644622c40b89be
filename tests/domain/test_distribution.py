"""What a distribution says of its login."""

from orchestrator.domain.distribution import Login

LOGIN = Login(path="/login", user="admin", password_env="ADMIN_PASSWORD", link="/sign-in.php")


def test_the_one_time_link_has_the_key_that_the_documentation_names() -> None:
    # printf login | openssl dgst -sha256 -hmac pw123
    key = "5f6386bfccd21a171f70acc5a38cedc56753616a2dd2e7f7a742e2170c77f1e4"
    assert LOGIN.one_time_path("pw123") == f"/sign-in.php?key={key}"


def test_without_a_page_for_it_there_is_no_one_time_link() -> None:
    assert LOGIN.model_copy(update={"link": None}).one_time_path("pw123") is None
