"""What a centre's reports are made of, for whatever shows a form."""

from __future__ import annotations

from typing import get_args

from ess_pbx.domain.commands import Mark
from ess_pbx.domain.config import Category, Centre, Sop
from ess_pbx.domain.incident import PlaceSource, Step
from ess_pbx.domain.incident_form import choices
from ess_pbx.web.report_models import (
    AgencyView,
    CategoryView,
    Choice,
    DistrictView,
    FormView,
    QuestionView,
)


def form(centre: Centre) -> FormView:
    """All of it, in the order of the settings."""
    return FormView(
        centre=centre.id,
        kinds=tuple(Mark),
        steps=tuple(Step),
        place_sources=get_args(PlaceSource),
        categories=[_category(centre, each) for each in centre.categories],
        districts=[
            DistrictView(name=name, villages=villages)
            for name, villages in centre.report_form.districts.items()
        ],
        agencies=[
            AgencyView(
                id=each.id,
                name=each.name,
                code=each.code,
                categories=each.categories,
                neighbour=each.neighbour is not None,
            )
            for each in centre.agencies
        ],
    )


def _category(centre: Centre, category: Category) -> CategoryView:
    sop = centre.report_form.categories.get(category.id, Sop())
    return CategoryView(
        id=category.id,
        name=category.name,
        subcategories=[Choice(id=id_, name=name) for id_, name in sop.subcategories.items()],
        questions=[
            QuestionView(id=each.id, text=each.text, answer=each.answer, choices=choices(each))
            for each in sop.questions
        ],
        agencies=[each.id for each in centre.agencies if category.id in each.categories],
    )
