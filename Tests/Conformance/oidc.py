"""Somebody with a browser, as far as logging in to applications takes one: cookies, redirects and forms."""

import html
import re
import urllib.parse

import requests


class Browser:
    """Follows redirects on the node and stops at the first address of an application."""

    def __init__(self, node, user, password):
        self.node, self.user, self.password = node, user, password
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = node.verify

    def _post(self, url, fields):
        return self.session.post(url, data=fields, headers={"Origin": self.node.web}, allow_redirects=False)

    def get(self, url):
        return self._onward(self.session.get(url, allow_redirects=False))

    def _onward(self, answer):
        for _ in range(12):
            if answer.status_code in (302, 303):
                target = urllib.parse.urljoin(answer.url, answer.headers["Location"])
                if not target.startswith(self.node.web + "/"):
                    answer.application = target
                    return answer
                answer = self.session.get(target, allow_redirects=False)
            elif answer.ok and 'action="/login"' in answer.text:
                fields = {**hidden(answer.text), "name": self.user, "password": self.password}
                answer = self._post(self.node.web + "/login", fields)
            else:
                answer.application = None
                return answer
        raise AssertionError("redirected for ever")

    def login(self):
        return self.get(self.node.web + "/login")

    def agree(self, page, answer="allow"):
        action = re.search(r'<form class="login" method="post" action="([^"]+)"', page.text).group(1)
        return self._onward(self._post(self.node.web + action, {**hidden(page.text), "answer": answer}))

    def authorize(self, url, answer="allow"):
        """Goes to an authorization address, says yes or no where it is asked, and returns where it ends."""
        page = self.get(url)
        if page.application is None and 'action="/consent"' in page.text:
            page = self.agree(page, answer)
        return page


def hidden(text):
    """The hidden fields of a page's form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text)
    return {html.unescape(name): html.unescape(value) for name, value in found}


def parameters(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
